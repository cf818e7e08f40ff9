"""The API that podman and docker share, by docker-py, and what podman's own must be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container

from tomobeam_contracts.flow import FlowType
from tomobeam_flows.launchers import CannotLaunch

CALL_LIMIT_S = 30
# Older ones take a GPU through the common API, say nothing, and leave it out.
FIRST_PODMAN_WITH_COMMON_CDI = (5, 4)
GONE = (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)
"""What a call raises when nobody answers; after `APIError`, which it includes."""


@dataclass(frozen=True)
class Image:
    """An image that is on this host."""

    id: str
    working_folder: str


@dataclass(frozen=True)
class Runtime:
    """One podman or docker, by the socket of its API."""

    kind: FlowType
    socket: Path

    @contextmanager
    def client(self) -> Iterator[docker.DockerClient]:
        """A connection of its own.

        Raises:
            CannotLaunch: nobody answers, or not as such a runtime does.
        """
        try:
            client = docker.DockerClient(base_url=f"unix://{self.socket}", timeout=CALL_LIMIT_S)
        except GONE as error:
            raise CannotLaunch(
                f"{self.kind} does not answer at {self.socket}: {words(error)}"
            ) from error
        with closing(client):
            yield client

    def image(self, client: docker.DockerClient, name: str) -> Image:
        """Look up an image.

        Raises:
            CannotLaunch: it is not on this host, or the runtime does not say.
        """
        try:
            image = client.images.get(name)
        except ImageNotFound as error:
            raise CannotLaunch(
                f"image {name} is not on this host, and none is ever pulled; "
                f"bring it with: {self.kind} load -i ARCHIVE"
            ) from error
        except GONE as error:
            raise CannotLaunch(f"{self.kind} does not show {name}: {words(error)}") from error
        return Image(str(image.id), image.attrs["Config"].get("WorkingDir") or "/")

    def rootless(self, client: docker.DockerClient) -> bool:
        """Whether the runtime is an ordinary user's, who is root inside its containers.

        Raises:
            CannotLaunch: it does not say.
        """
        try:
            if podman_version(client) is not None:
                security = _ask_podman(client, "GET", "info")["host"]["security"]
                return bool(security["rootless"])
            options = client.info().get("SecurityOptions") or []
        except GONE as error:
            raise CannotLaunch(f"{self.kind} tells nothing of itself: {words(error)}") from error
        return any("name=rootless" in option for option in options)


def podman_version(client: docker.DockerClient) -> tuple[int, ...] | None:
    """Major and minor version where the runtime is podman, whatever the site calls it."""
    for part in client.version().get("Components") or []:
        if part["Name"] == "Podman Engine":
            return tuple(int(number) for number in part["Version"].split(".")[:2])
    return None


def wants_own_api(client: docker.DockerClient) -> bool:
    """Whether this is a podman that gives out GPUs by its own API only."""
    version = podman_version(client)
    return version is not None and version < FIRST_PODMAN_WITH_COMMON_CDI


def create_by_own_api(client: docker.DockerClient, wanted: dict[str, Any]) -> Container:
    """Create a container by podman's own API.

    Raises:
        docker.errors.APIError: podman refuses.
    """
    return client.containers.get(_ask_podman(client, "POST", "containers/create", wanted)["Id"])


def _ask_podman(
    client: docker.DockerClient, verb: str, what: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    # docker-py's session knows the way to the socket.
    url = f"http+docker://localhost/v4.0.0/libpod/{what}"
    answer = client.api.request(verb, url, json=body, timeout=CALL_LIMIT_S)
    said = answer.json()
    if not answer.ok:
        raise APIError(answer.reason, response=answer, explanation=said.get("message"))
    return said


def words(error: Exception) -> str:
    """What a runtime says of an error, without the address that was called."""
    if isinstance(error, APIError):
        return str(error.explanation or error)
    cause: BaseException = error
    while cause.__context__ is not None:
        cause = cause.__context__
    return getattr(cause, "strerror", None) or str(cause) or repr(cause)
