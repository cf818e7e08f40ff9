"""podman or docker by its command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomobeam_deploy.site import Runtime


class ContainersError(RuntimeError):
    """The runtime is missing or refuses; the message says what was asked and what it says."""


def call(runtime: Runtime, *arguments: str, cwd: Path | None = None, shown: bool = False) -> str:
    """Run the runtime.

    Args:
        shown: what it says goes to the terminal and is not returned.

    Returns:
        What it printed.

    Raises:
        ContainersError: it is missing, or fails.
    """
    command = [find(runtime), *arguments]
    done = subprocess.run(
        command, cwd=cwd, capture_output=not shown, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = "" if shown else _end_of(done.stderr)
        raise ContainersError(f"{runtime} {' '.join(arguments[:2])}: {said or done.returncode}")
    return done.stdout or ""


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
    """What the runtime says of an image; None where it does not have it."""
    command = [find(runtime), "image", "inspect", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)[0] if done.returncode == 0 else None


def tags(runtime: Runtime, repository: str) -> Sequence[str]:
    """The full names of a repository's images, newest first."""
    listed = call(runtime, "images", "--format", "{{.Repository}}:{{.Tag}}", repository)
    return list(dict.fromkeys(listed.split()))


def _end_of(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-12:])
