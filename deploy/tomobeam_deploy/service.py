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

DATABASES = ("tiled_authn", "tiled_catalog", "prefect")


class DescriptionError(ValueError):
    """A service's description is wrong; names the service and the field."""


@dataclass(frozen=True)
class Health:
    """How to see that a service answers: an HTTP path, or the open port where `path` is None."""

    path: str | None = None
    start_limit_s: int = 240


@dataclass(frozen=True)
class Service:
    """What a thing is, wherever it runs.

    `port` names a field of `Site.ports`. `needs` are services that must answer before this one
    starts. `secrets` maps a variable to the name of a secret; the program finds it in the file
    that `<variable>_FILE` names. `files` maps a template to its name in the folder `{config}`;
    `needs_files` come from packages of the host.
    `prepare` runs before the start, `provision` once the service answers; both may run again
    at any time without harm.
    """

    name: str
    summary: str
    argv: tuple[str, ...]
    port: str
    health: Health
    needs: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    needs_files: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    provision: tuple[str, ...] = ()
    provision_settings: Mapping[str, str] = field(default_factory=dict)
    provision_secrets: Mapping[str, str] = field(default_factory=dict)
    success_codes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Placement:
    """Where a service is: its folders, its user, and where its secrets come from."""

    site: Site
    bin: Path
    config: Path
    state: Path
    secrets: Path
    user: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def names(self, service: Service) -> dict[str, Any]:
        """What the braces of a description and the variables of a template may refer to."""
        return {
            "site": self.site,
            "bin": str(self.bin),
            "config": str(self.config),
            "state": str(self.state),
            "secrets": str(self.secrets),
            "port": getattr(self.site.ports, service.port),
            "address": self.site.address,
            "destinations": destinations,
            "databases": {
                name: f"sqlite+aiosqlite:///{self.state}/{name}.db" for name in DATABASES
            },
            "readable_roots": json.dumps([str(root) for root in self.site.data.readable]),
            "path_map": json.dumps(self.site.path_map),
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
    writable: tuple[Path, ...]
    prepare: tuple[str, ...]
    provision: tuple[str, ...]
    provision_environment: dict[str, str]

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def port(self) -> int:
        """Where it listens."""
        return getattr(self.placement.site.ports, self.service.port)

    @property
    def health_url(self) -> str | None:
        """What to ask whether it is well; None where only its port shows it."""
        path = self.service.health.path
        return None if path is None else f"{self.placement.site.url(self.service.port)}{path}"


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

    def environment(settings: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
        filled = {key: fill(value, f"settings.{key}") for key, value in settings.items()}
        files = {f"{key}_FILE": str(placement.secrets / name) for key, name in secrets.items()}
        return filled | files

    return Process(
        service=service,
        placement=placement,
        argv=fill_all(service.argv, "argv"),
        environment=environment(service.settings, service.secrets),
        credentials=dict(service.secrets),
        writable=tuple(Path(p) for p in fill_all(service.writes, "writes")),
        prepare=fill_all(service.prepare, "prepare"),
        provision=fill_all(service.provision, "provision"),
        provision_environment=environment(service.provision_settings, service.provision_secrets),
    )
