"""podman or docker by its command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tomobeam_deploy.site import Runtime


class ContainersError(RuntimeError):
    """The runtime is missing or refuses; the message says what was asked and what it says."""


def call(runtime: Runtime, *arguments: str, stdin: str = "") -> str:
    """Run the runtime.

    Returns:
        What it printed.

    Raises:
        ContainersError: it is missing, or fails.
    """
    done = _run(runtime, *arguments, stdin=stdin)
    if done.returncode:
        # What a step of a build says goes to either.
        said = [*done.stdout.strip().splitlines()[-8:], *done.stderr.strip().splitlines()[-4:]]
        why = "\n".join(said) or f"ended with {done.returncode}"
        raise ContainersError(f"{runtime} {arguments[0]}: {why}")
    return done.stdout


def find(runtime: Runtime) -> str:
    """The runtime's program.

    Raises:
        ContainersError: it is not installed.
    """
    program = shutil.which(runtime)
    if program is None:
        other = Runtime.DOCKER if runtime is Runtime.PODMAN else Runtime.PODMAN
        raise ContainersError(
            f"{runtime} is not installed; install it (Debian's package is "
            f"{'podman' if runtime is Runtime.PODMAN else 'docker.io'}), or set RUNTIME={other}"
        )
    return program


def image(runtime: Runtime, name: str) -> dict[str, Any] | None:
    """What the runtime says of an image; None where it does not have it.

    Raises:
        ContainersError: it is missing.
    """
    done = _run(runtime, "image", "inspect", name)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None


def name_it(runtime: Runtime, image_id: str, *names: str) -> None:
    """Let names mean an image, whatever they meant before.

    Raises:
        ContainersError: the runtime refuses.
    """
    for name in names:
        there = image(runtime, name)
        if there is None or there["Id"] != image_id:
            call(runtime, "tag", image_id, name)


def labels(there: dict[str, Any]) -> dict[str, str]:
    """The labels of what `image` returned."""
    return there["Config"].get("Labels") or {}


def names_of(runtime: Runtime, repository: str) -> Sequence[str]:
    """The full names of a repository's images, newest first.

    Raises:
        ContainersError: the runtime refuses.
    """
    listed = call(runtime, "images", "--format", "{{.Repository}}:{{.Tag}}", repository)
    names = list(dict.fromkeys(listed.split()))
    if not names:
        return []
    # The list itself is in the order of whole seconds, in which more than one may be built.
    told = json.loads(call(runtime, "image", "inspect", *names))
    made = {
        name: datetime.fromisoformat(each["Created"])
        for name, each in zip(names, told, strict=True)
    }
    return sorted(names, key=made.__getitem__, reverse=True)


def _run(runtime: Runtime, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find(runtime), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
