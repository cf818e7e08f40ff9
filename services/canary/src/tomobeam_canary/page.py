"""Asks the page for what a scientist's browser asks for, through its own login."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from tomobeam_common.tiled import Node

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class PageError(RuntimeError):
    """The page did not give what it was asked for."""


@dataclass(frozen=True)
class Users:
    """The page's own command, run with the page's environment."""

    command: Sequence[str]
    environment: Mapping[str, str]

    def login_link(self, user: str) -> str:
        """A link that signs `user` in once; the user is made with an unknown password if new.

        Raises:
            PageError: the command refused.
        """
        if user not in self._run("user", "list").split():
            self._run("user", "add", user, typed=secrets.token_urlsafe(24))
        return self._run("login-link", user).strip().splitlines()[-1]

    def remove(self, user: str) -> None:
        """End the user's sessions and forget the name.

        Raises:
            PageError: the command refused.
        """
        self._run("user", "remove", user)

    def _run(self, *arguments: str, typed: str = "") -> str:
        done = subprocess.run(
            [*self.command, *arguments],
            env=dict(self.environment),
            input=f"{typed}\n{typed}\n" if typed else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip()[-500:]
            raise PageError(f"{Path(self.command[-1]).name} {' '.join(arguments)}: {said}")
        return done.stdout


class Page:
    """A browser's session, without the browser."""

    def __init__(self, url: str, link: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60)
        self._link = link

    def __enter__(self) -> Self:
        form = self._ask("GET", self._link)
        token = _TOKEN.search(form.text)
        if token is None:
            raise PageError("the login link shows no form")
        answer = self._ask("POST", self._link, data={"csrf_token": token[1]})
        if answer.status_code != httpx.codes.SEE_OTHER:
            raise PageError(f"the login link answers {answer.status_code}")
        self._ask("GET", "/")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def look_at(
        self, image: Node, z: int, version: str, result: str, plane: int
    ) -> tuple[int, int]:
        """Load slice `z` of an image, and that plane of its segmentation.

        What it showed of the same version the page may take from its cache.

        Returns:
            Their sizes, bytes.

        Raises:
            PageError: the page is away or refuses one of them.
        """
        if image.shape is None:
            raise PageError(f"{image.path} is no image")
        _, height, width = image.shape
        view = f"/view/{quote(image.path)}/@{version}/{z}/0/0,0,{width},{height}.u16"
        pixels = self._ask("GET", view).content
        if len(pixels) != 2 * width * height:
            raise PageError(f"{view}: {len(pixels)} bytes")
        labels = self._ask("GET", f"/view/{quote(result)}/@{version}/labels/{plane}").content
        return len(pixels), len(labels)

    def _ask(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **kwargs)
        except httpx.TransportError as error:
            raise PageError(f"the page at {self._http.base_url}: {error}") from error
        if answer.is_error:
            # Whoever reads a login link in a log could use it.
            shown = "the login link" if path == self._link else path
            raise PageError(f"{shown}: {answer.status_code} {answer.text[:200]}")
        return answer
