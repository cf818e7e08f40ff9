"""Streams an archive to a host by OpenSSH, several times as fast as paramiko's file transfer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.state import State

from tomobeam_deploy.site.connection import openssh_options

# In the operator's home: others must not be able to put another archive in its place.
RECEIVE = (
    "umask 077; mkdir -p .tomobeam && cd .tomobeam && cat > {name}.part && "
    "mv {name}.part {name} && pwd"
)


def upload(
    state: State,  # noqa: ARG001 - pyinfra gives both, or none, by these names
    host: Host,
    make: Callable[[], Path],
    uploads: dict[str, str],
    title: str,
) -> bool:
    """Make an archive and bring it to the host; its path there goes into `uploads`, by `title`.

    Returns:
        Whether it arrived.
    """
    archive = make()
    command = [*ssh_command(host), RECEIVE.format(name=archive.name)]
    with archive.open("rb") as content:
        done = subprocess.run(command, stdin=content, capture_output=True, text=True, check=False)
    if done.returncode:
        logger.error(f"{host.print_prefix}{title}: {done.stderr.strip()}")
        return False
    uploads[title] = f"{done.stdout.strip().splitlines()[-1]}/{archive.name}"
    return True


def ssh_command(host: Host) -> list[str]:
    """OpenSSH with what pyinfra was told about the host."""
    data = host.data
    return ["ssh", *openssh_options(data.get), str(data.get("ssh_hostname") or host.name)]
