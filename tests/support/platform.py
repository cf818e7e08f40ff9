"""Starts a part of the real platform from its service descriptions, on free ports."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tomobeam_deploy.local.client_environment import client_environment
from tomobeam_deploy.local.platform import LocalPlatform
from tomobeam_deploy.renderers.child import child_command, provision_command
from tomobeam_deploy.site import Broker, DataRoots, Ports, Site

REPOSITORY = Path(__file__).resolve().parents[2]


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A free port of loopback for each name."""
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for probe in sockets.values():
            probe.bind(("127.0.0.1", 0))
        return {name: probe.getsockname()[1] for name, probe in sockets.items()}


def make_site(folder: Path, **changes: Any) -> Site:
    """A site below `folder` with free ports and without samples."""
    settings: dict[str, Any] = {
        "name": "test",
        "data": DataRoots(
            filestore=folder / "filestore",
            writable=folder / "tiled_storage" / "writable",
            models=folder / "models",
            state=folder,
        ),
        "registry": REPOSITORY / "services/segmentation/src/tomobeam_segmentation/registry.json",
        "ports": Ports(**free_ports(Ports.model_fields)),
        "broker": Broker.EMBEDDED,
    }
    return Site(**(settings | changes))


class Platform:
    """A part of the platform that runs; the services are those of `LocalPlatform`."""

    def __init__(self, local: LocalPlatform) -> None:
        self.local = local
        self.site = local.site
        self.data = local.layout.data

    def url(self, name: str) -> str:
        """Base address of an HTTP service."""
        return self.site.url(self.local.processes[name].service.port)

    def port(self, name: str) -> int:
        """Where a service listens."""
        return self.local.processes[name].port

    def environment(self, name: str) -> dict[str, str]:
        """The whole environment of one service, started by the platform or not."""
        process = self.local.layout.processes()[name]
        return dict(child_command(process).environment)

    def provision_environment(self, name: str) -> dict[str, str]:
        """The whole environment of a service's provision stage."""
        command = provision_command(self.local.layout.processes()[name])
        assert command is not None
        return dict(command.environment)

    def client_environment(self) -> dict[str, str]:
        """What `make -s env` prints."""
        return client_environment(self.local.layout)

    def secret(self, name: str) -> str:
        """One secret's value, such as `tiled-key-ingester`."""
        return (self.local.layout.secrets / name).read_text().rstrip("\n")

    def log(self, name: str) -> str:
        """What a service has written so far."""
        path = self.local.layout.log(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, name: str) -> None:
        """Start a service and wait until it answers."""
        self.local.start(name)

    def stop(self, name: str) -> None:
        """Stop a service with SIGTERM."""
        self.local.stop(name)

    def kill(self, name: str) -> None:
        """End a service with SIGKILL; it stays down until `start`."""
        self.local.kill(name)


@contextmanager
def local_platform(
    folder: Path,
    services: Iterable[str] | None = None,
    configure: Callable[[Site], Site] = lambda site: site,
) -> Iterator[Platform]:
    """Run `services` (none named: all) below `folder` and end them on the way out."""
    site = configure(make_site(folder))
    with LocalPlatform(site, only=services) as local:
        # Secrets and folders of the whole site, so that other clients can be tried too.
        local.layout.write(local.layout.processes())
        local.up()
        yield Platform(local)
