"""Images of containers, in the podman of an account of the host, asked through its socket."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tomobeam_deploy.on_host.bundles import unpack
from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault, run, said


class _Image(Resource):
    """An image under all its names."""

    socket: str
    names: list[str]

    def remains(self) -> bool:
        """Whether it is there under any name."""
        return any(self._look(name) for name in self.names)

    def take_away(self) -> None:
        """Remove it, with the containers that use it."""
        self._podman("rmi", "--force", *(name for name in self.names if self._look(name)))

    def _look(self, name: str) -> dict[str, Any] | None:
        """What podman says of the image of a name; None where there is none, or no podman."""
        try:
            done = self._run("image", "inspect", name)
        except FileNotFoundError:
            return None
        return json.loads(done.stdout)[0] if done.returncode == 0 else None

    def _podman(self, *arguments: str) -> None:
        done = self._run(*arguments)
        if done.returncode:
            raise Fault(f"podman {arguments[0]}: {said(done)}")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run("podman", f"--url=unix://{self.socket}", *arguments, check=False)


class ContainerImage(_Image):
    """An image of the build whose inputs a label tells, from an archive."""

    storage: str
    label: str
    inputs: str
    upload: str
    """where the archive is; only for putting right"""

    def differences(self) -> list[str]:
        """Under which names it is not there, or another build."""
        found = []
        for name in self.names:
            there = self._look(name)
            if there is None:
                found.append(f"{name} is not there")
            elif (built := _label(there, self.label)) != self.inputs:
                found.append(f"{name} was built from {built}, not {self.inputs}")
        return found

    def put_right(self) -> None:
        """Load what was uploaded; what it replaces goes, unless a job still uses it."""
        # By the path of what is open: from a pipe podman would copy it to a file first.
        load = f"podman --url=unix://{self.socket} load --quiet --input /dev/stdin"
        unpack(self.upload, load, Path(self.storage))
        if left := self.differences():
            raise Fault(f"was loaded, but {'; '.join(left)}")
        self._podman("image", "prune", "--force")


class FetchedImage(_Image):
    """An image that the site's registry has."""

    published: str

    def differences(self) -> list[str]:
        """That it was not fetched, and which names mean another."""
        there = self._look(self.published)
        if there is None:
            return [f"{self.published} is not there"]
        return [
            f"{name} is not {self.published}"
            for name in self.names
            if (self._look(name) or {}).get("Id") != there["Id"]
        ]

    def put_right(self) -> None:
        """Fetch it where it is not there; its names mean it from now on."""
        if self._look(self.published) is None:
            self._podman("pull", "--quiet", self.published)
        self._podman("tag", self.published, *self.names)
        self._podman("image", "prune", "--force")


def _label(there: dict[str, Any], name: str) -> str:
    labels = there["Config"].get("Labels") or {}
    return labels.get(name, "something else")
