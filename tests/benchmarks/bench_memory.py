"""The idle memory of each service: in its container, against the same one as a plain process.

Proportional set sizes (shared pages are counted by halves, thirds …), summed over all processes of
a service, some seconds after all of them answer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.support.platform import local_platform
from tomobeam_deploy.compose.cli import COMPOSE
from tomobeam_deploy.compose.platform import ContainerPlatform
from tomobeam_deploy.images.base import DEFAULT_BASE
from tomobeam_deploy.images.runtime import ContainersError
from tomobeam_deploy.site import Ports, Site

MIB = 1 << 20
# What a start leaves behind is given back by then.
SETTLED_S = 15


def pss(pid: int) -> int:
    """Of a process and all its children, bytes."""
    root = psutil.Process(pid)
    found = 0
    for process in (root, *root.children(recursive=True)):
        try:
            found += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return found


def as_processes() -> tuple[dict[str, int], Ports]:
    """By service; and the ports that were free for it."""
    with tempfile.TemporaryDirectory() as folder, local_platform(Path(folder)) as platform:
        time.sleep(SETTLED_S)
        children = platform.local.children
        sizes = {name: pss(child.pid) for name, child in children.items() if child.pid}
        return sizes, platform.site.ports


def in_containers(ports: Ports) -> dict[str, int]:
    """By service."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site.load(COMPOSE).model_copy(update={"name": "bench", "ports": ports})
        below = {name: Path(folder) / name for name in ("filestore", "writable", "models", "state")}
        data = site.data.model_copy(update=below)
        platform = ContainerPlatform(
            site.model_copy(update={"data": data}), DEFAULT_BASE, lambda _service, _what: None
        )
        try:
            platform.up()
            time.sleep(SETTLED_S)
            states = platform.project.states()
            return {name: pss(states[name].pid) for name in platform.processes}
        finally:
            platform.down()


def main() -> None:
    """Print a line for each service, and the sum."""
    plain, ports = as_processes()
    try:
        contained = in_containers(ports)
    except ContainersError as error:
        sys.stdout.write(f"skipped: {error}\n")
        return
    total = {"all": sum(contained.values())}, {"all": sum(plain.values())}
    for name, size in (contained | total[0]).items():
        other = (plain | total[1])[name]
        sys.stdout.write(
            f"bench: idle memory of {name}, container / process: {size / MIB:.0f} MiB / "
            f"{other / MIB:.0f} MiB = {size / other:.2f}\n"
        )


if __name__ == "__main__":
    main()
