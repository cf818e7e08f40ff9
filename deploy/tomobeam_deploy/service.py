"""`Service` says what a thing is; with a `Placement` it becomes a `Process`.

Settings, arguments and paths are written with names in braces, such as `{site.tiled_url}` or
`{state}`, which the placement fills in. A description never asks which profile it is in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomobeam_contracts import destinations
from tomobeam_deploy.site import Site
from tomobeam_deploy.site.model import DATABASES


class DescriptionError(ValueError):
    """A service's description is wrong; names the service and the field."""


@dataclass(frozen=True)
class Health:
    """How to see that a service answers: an HTTP path, or the open port where `path` is None.

    The path may contain names in braces.
    """

    path: str | None = None
    start_limit_s: int = 240


@dataclass(frozen=True)
class Service:
    """What a thing is, wherever it runs.

    `port` names a field of `Site.ports`; a service without one has `every_s`: it runs and ends,
    and again so many seconds later. `packages` are those of `services/` that it is installed from,
    `debian_packages` what it is or needs besides. `image` is the folder with its Containerfile.
    `needs` are services that must answer before this one starts; `database_role` is the role by
    which it uses the site's databases. `secrets` maps a variable to the name of a secret; the
    program finds it in the file that `<variable>_FILE` names. `files` maps a template to its name
    in the folder `{config}`; `needs_files` come from packages of the host. `reads` are other
    files that it reads at its start, `writes` folders that it may change; with `reads_store` it
    sees what reconstructions wrote, with `launches_jobs` the sockets and the shared folder of its
    host's launchers.
    `prepare` runs before the start, `provision` once the service answers; both may run again
    at any time without harm. Of a service with databases, `schema` is what of its own prints the
    revisions of their schemas that it knows, and `migrate` brings older ones to the newest.
    `memory_mib` and `tasks` bound the service with all its children. `writes_code` says that it
    makes machine code while it runs, which a sandbox otherwise forbids. `stop_signal` ends it,
    and after `stop_limit_s` nothing asks any more.
    """

    name: str
    summary: str
    argv: tuple[str, ...]
    port: str = ""
    health: Health = Health()
    every_s: int | None = None
    packages: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    image: str = ""
    needs: tuple[str, ...] = ()
    database_role: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    needs_files: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    reads_store: bool = False
    launches_jobs: bool = False
    writes: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()
    migrate: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    provision: tuple[str, ...] = ()
    provision_settings: Mapping[str, str] = field(default_factory=dict)
    provision_secrets: Mapping[str, str] = field(default_factory=dict)
    success_codes: tuple[int, ...] = ()
    memory_mib: int = 1024
    tasks: int = 256
    writes_code: bool = False
    stop_signal: str = "SIGTERM"
    stop_limit_s: int = 30

    @property
    def account(self) -> str:
        """The field of `Site.accounts` with the number of its account."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Placement:
    """Where a service is: its folders, its user, and where its secrets come from.

    `environment` and `secret_files` (a variable that names the file: the secret's name) are given
    to every process there; `values` are further names for descriptions and templates.
    """

    site: Site
    bin: Path
    config: Path
    state: Path
    secrets: Path
    user: str | None = None
    worker_name: str = "1"
    models: Path | None = None
    registry: Path | None = None
    tls_ca: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    secret_files: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    def job_folders(self, service: Service) -> tuple[Path, ...]:
        """Where a service that launches jobs leaves what they read, besides its own folders."""
        slurm = self.site.launchers_on(self.worker_name).slurm
        return (slurm.shared,) if service.launches_jobs and slurm else ()

    def names(self, service: Service) -> dict[str, Any]:
        """What the braces of a description and the variables of a template may refer to."""
        return {
            "site": self.site,
            "bin": str(self.bin),
            "config": str(self.config),
            "state": str(self.state),
            "secrets": str(self.secrets),
            "port": getattr(self.site.ports, service.port) if service.port else None,
            "address": self.site.listens_on,
            "destinations": destinations,
            "databases": {name: self.site.database_uri(name, self.state) for name in DATABASES},
            "readable_roots": json.dumps([str(root) for root in self.site.data.readable]),
            "path_map": json.dumps(self.site.translations),
            "models": str(self.models or self.site.data.models),
            "registry": str(self.registry or self.site.registry),
            "worker_name": self.worker_name,
            "launchers": self.site.launchers_on(self.worker_name).to_setting(),
            "kinds_elsewhere": json.dumps(sorted(self.site.kinds_elsewhere(self.worker_name))),
            "tls_ca": str(self.tls_ca or ""),
            **self.values,
        }


@dataclass(frozen=True)
class Process:
    """A service in its place: all that a renderer has to know."""

    service: Service
    placement: Placement
    argv: tuple[str, ...]
    environment: dict[str, str]
    credentials: dict[str, str]
    """The variable that names the file: the secret's name."""
    health_path: str | None
    reads: tuple[Path, ...]
    writable: tuple[Path, ...]
    migrate: tuple[str, ...]
    prepare: tuple[str, ...]
    provision: tuple[str, ...]
    provision_environment: dict[str, str]
    provision_credentials: dict[str, str]

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def port(self) -> int:
        """Where it listens.

        Raises:
            DescriptionError: it does not.
        """
        if not self.service.port:
            raise DescriptionError(f"{self.name}: port: it has none")
        return getattr(self.placement.site.ports, self.service.port)

    @property
    def seen_url(self) -> str:
        """What others ask whether it is well."""
        return self.health_at(self.placement.site.url(self.service.port))

    @property
    def health_url(self) -> str:
        """What to ask on its own machine whether it is well."""
        return self.health_at(self.placement.site.loopback_url(self.service.port))

    def health_at(self, base: str) -> str:
        """What to ask at a base address: its health, or `tcp://` where only its port shows it."""
        return f"{base}{self.health_path}" if self.health_path else f"tcp://{base.split('//')[1]}"


def place(service: Service, placement: Placement) -> Process:
    """Fill a description in.

    Raises:
        DescriptionError: it refers to a name that the placement does not know.
    """
    names = placement.names(service)

    def fill(text: str, where: str) -> str:
        try:
            return text.format_map(names)
        except (KeyError, AttributeError, IndexError, ValueError) as error:
            raise DescriptionError(f"{service.name}: {where}: {text!r}: {error}") from error

    def fill_all(texts: tuple[str, ...], where: str) -> tuple[str, ...]:
        return tuple(fill(text, where) for text in texts)

    def files(secrets: Mapping[str, str]) -> dict[str, str]:
        return {f"{key}_FILE": name for key, name in secrets.items()} | dict(placement.secret_files)

    def environment(settings: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
        filled = {key: fill(value, f"settings.{key}") for key, value in settings.items()}
        paths = {key: str(placement.secrets / name) for key, name in files(secrets).items()}
        return dict(placement.environment) | filled | paths

    return Process(
        service=service,
        placement=placement,
        argv=fill_all(service.argv, "argv"),
        environment=environment(service.settings, service.secrets),
        credentials=files(service.secrets),
        health_path=service.health.path and fill(service.health.path, "health.path"),
        reads=tuple(Path(p) for p in fill_all(service.reads, "reads")),
        writable=(*map(Path, fill_all(service.writes, "writes")), *placement.job_folders(service)),
        migrate=fill_all(service.migrate, "migrate"),
        prepare=fill_all(service.prepare, "prepare"),
        provision=fill_all(service.provision, "provision"),
        provision_environment=environment(service.provision_settings, service.provision_secrets),
        provision_credentials=files(service.provision_secrets),
    )
