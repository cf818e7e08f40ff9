"""Where the local profile keeps things: below one data folder, nothing elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tomobeam_deploy.catalogue import services_of
from tomobeam_deploy.secrets import ensure_secrets, secret_names
from tomobeam_deploy.service import Placement, Process, Service, place
from tomobeam_deploy.site import Site
from tomobeam_deploy.templates import render

_STATE_FOLDERS = {"tiled": "tiled_db", "prefect-server": "prefect_db"}


@dataclass(frozen=True)
class Layout:
    """The folders of one machine's platform."""

    site: Site

    @property
    def data(self) -> Path:
        """Below which everything lies."""
        return self.site.data.state

    @property
    def secrets(self) -> Path:
        """One file of mode 600 for each secret."""
        return self.data / "secrets"

    @property
    def logs(self) -> Path:
        """One log for each service."""
        return self.data / "logs"

    @property
    def lock(self) -> Path:
        """Held by the supervisor while it runs; contains its process id."""
        return self.data / "supervisor.lock"

    @property
    def ready(self) -> Path:
        """Exists while everything is up."""
        return self.data / "supervisor.ready"

    def log(self, service: str) -> Path:
        """A service's log."""
        return self.logs / f"{service}.log"

    def state(self, service: str) -> Path:
        """A service's databases and working files."""
        return self.data / _STATE_FOLDERS.get(service, service)

    def config(self, service: str) -> Path:
        """A service's rendered configuration."""
        return self.data / "config" / service

    def processes(self) -> dict[str, Process]:
        """Every service of the site in its place."""
        services = services_of(self.site)
        return {name: place(service, self.placement(service)) for name, service in services.items()}

    def placement(self, service: Service) -> Placement:
        """Where a service finds its programs, its folders and its secrets."""
        bin_folder = Path(sys.prefix) / "bin"
        return Placement(
            site=self.site,
            bin=bin_folder,
            config=self.config(service.name),
            state=self.state(service.name),
            secrets=self.secrets,
            values={"job_bin": str(bin_folder)},
        )

    def write(self, processes: dict[str, Process]) -> None:
        """Make the folders, generate missing secrets, render the configurations."""
        data = self.site.data
        for folder in (data.filestore, data.writable, data.models, data.state):
            folder.mkdir(parents=True, exist_ok=True)
        names = set().union(*(secret_names(p.service) for p in processes.values()))
        ensure_secrets(self.secrets, names)
        for name, process in processes.items():
            self.state(name).mkdir(parents=True, exist_ok=True)
            for template, file in process.service.files.items():
                path = self.config(name) / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(render(template, process), encoding="utf-8")
