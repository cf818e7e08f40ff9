"""Streams an archive to a host by OpenSSH, several times as fast as paramiko's file transfer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.state import State

from tomobeam_deploy.hosts.archives import ArchiveError
from tomobeam_deploy.site.connection import openssh_options

# In the operator's home: others must not be able to put another archive in its place.
FOLDER = ".tomobeam"
# The first of a step clears away what a run left that was killed; a full disk is given back.
CLEAR = f"rm -rf {FOLDER}/*\n"
RECEIVE = f"""\
umask 077
mkdir -p {FOLDER} && cd {FOLDER} || exit 1
free=$(df --output=avail --block-size=1 . | tail -n 1)
if [ "$free" -lt {{size}} ]; then
    echo "needs $(({{size}} >> 20)) MiB, but the disk of $PWD has $((free >> 20)) MiB free;" \
        "make room there" >&2
    exit 1
fi
cat > {{name}} && pwd || {{{{ rm -f {{name}}; exit 1; }}}}
"""


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
    try:
        archive = make()
    except ArchiveError as error:
        logger.error(f"{host.print_prefix}{title}: {error}")
        return False
    size = archive.stat().st_size
    receive = ("" if uploads else CLEAR) + RECEIVE.format(name=archive.name, size=size)
    with archive.open("rb") as content:
        done = subprocess.run(
            [*ssh_command(host), receive],
            stdin=content,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        logger.error(f"{host.print_prefix}{title}: is not sent: {done.stderr.strip()}")
        return False
    uploads[title] = f"{done.stdout.strip().splitlines()[-1]}/{archive.name}"
    return True


def ssh_command(host: Host) -> list[str]:
    """OpenSSH with what pyinfra was told about the host."""
    data = host.data
    return ["ssh", *openssh_options(data.get), str(data.get("ssh_hostname") or host.name)]
