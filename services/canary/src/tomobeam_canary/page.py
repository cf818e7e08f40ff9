"""Asks the page for what a scientist's browser asks for, through its own login."""

from __future__ import annotations

import re
import secrets
import subprocess
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from tomobeam_common.tiled import Node
from tomobeam_deploy.local.platform import LocalPlatform
from tomobeam_deploy.renderers.child import base_environment
from tomobeam_deploy.site import Site

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class PageError(RuntimeError):
    """The page did not give what it was asked for."""


def first_user_link(platform: LocalPlatform, user: str) -> str:
    """A link that signs `user` in once; the user is made with an unknown password if new.

    Raises:
        PageError: the page's own command refused.
    """
    users = _webapp(platform, "user", "list").split()
    if user not in users:
        _webapp(platform, "user", "add", user, typed=secrets.token_urlsafe(24))
    return _webapp(platform, "login-link", user).strip().splitlines()[-1]


def _webapp(platform: LocalPlatform, *arguments: str, typed: str = "") -> str:
    process = platform.processes["webapp"]
    place = process.placement
    done = subprocess.run(
        [str(place.bin / "tomobeam-webapp"), *arguments],
        env={**base_environment(place.bin, place.state), **process.environment},
        input=f"{typed}\n{typed}\n" if typed else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PageError(f"tomobeam-webapp {arguments[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout


class Page:
    """A browser's session, without the browser."""

    def __init__(self, site: Site, link: str) -> None:
        self._http = httpx.Client(base_url=site.url("webapp"), timeout=60)
        self._link = link

    def __enter__(self) -> Self:
        form = self._get(self._link)
        token = _TOKEN.search(form.text)
        if token is None:
            raise PageError("the login link shows no form")
        answer = self._http.post(self._link, data={"csrf_token": token[1]})
        if answer.status_code != httpx.codes.SEE_OTHER:
            raise PageError(f"the login link answers {answer.status_code}")
        self._get("/")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def look_at(self, node: Node, result: str) -> tuple[int, int]:
        """Load the middle slice and its segmentation.

        Returns:
            Their sizes, bytes.

        Raises:
            PageError: the page refuses one of them.
        """
        if node.shape is None:
            raise PageError(f"{node.path} is no image")
        depth, height, width = node.shape
        middle = depth // 2
        view = f"/view/{quote(node.path)}/@demo/{middle}/0/0,0,{width},{height}.u16"
        image = self._get(view)
        if len(image.content) != 2 * width * height:
            raise PageError(f"{view}: {len(image.content)} bytes")
        labels = self._get(f"/view/{quote(result)}/@demo/labels/{middle}")
        return len(image.content), len(labels.content)

    def _get(self, path: str) -> httpx.Response:
        answer = self._http.get(path)
        if not answer.is_success:
            raise PageError(f"{path.partition('?')[0]}: {answer.status_code} {answer.text[:200]}")
        return answer
