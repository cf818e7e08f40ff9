"""podman, as the tests call it."""

from __future__ import annotations

import subprocess

from tomobeam_deploy.site import Runtime

PODMAN = Runtime.PODMAN


def run(*arguments: str) -> str:
    """Run podman; what it printed."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"podman {arguments[0]}: {done.stderr}"
    return done.stdout
