"""What every service of ours is on a host: a release, an account, files, secrets, units."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tomobeam_deploy.hosts import archives
from tomobeam_deploy.hosts.brought import Bundle
from tomobeam_deploy.hosts.resources import (
    Account,
    Answers,
    Command,
    File,
    Folder,
    Ran,
    Resource,
    Schema,
    Unit,
)
from tomobeam_deploy.hosts.schemas import Databases, first
from tomobeam_deploy.hosts.target import CA, ETC, OPT, REGISTRY, SHARED_GROUP, Target
from tomobeam_deploy.hosts.unit_files import unit_files
from tomobeam_deploy.releases import (
    Release,
    prune_script,
    pruned_script,
    switch_script,
    unpack_script,
)
from tomobeam_deploy.renderers.systemd import (
    Once,
    credentials_of,
    overriding,
    recording,
    render_once,
    render_timer,
    render_unit,
    timer_name,
    unit_name,
)
from tomobeam_deploy.service import Process
from tomobeam_deploy.site.model import DATABASES
from tomobeam_deploy.templates import render


@dataclass(frozen=True)
class ServiceRole:
    """A service of ours as a role: its four stages.

    `service` is its name in the catalogue; `shared`: it may read the file store; `reads`: files of
    other roles that it reads at its start.
    """

    service: str
    shared: bool = False
    reads: tuple[str, ...] = ()

    def install(self, target: Target) -> list[Resource]:
        """Account, folders and environment."""
        process = target.processes[self.service]
        place, made = process.placement, release_for(process)
        user = _user(process)
        return [
            account(target, process, (SHARED_GROUP,) if self.shared else ()),
            Folder(str(place.state), 0o750, user, user),
            Folder(str(ETC / self.service)),
            Folder(str(place.secrets), 0o700, user, user),
            Bundle(
                name=f"release {self.service} {made.name}",
                marker=made.folder,
                archive=partial(archives.release_archive, *_made_of(process)),
                script=unpack_script(made),
                home=str(OPT / self.service),
            ),
            # The first release is current at once: nothing runs yet, and units can be verified.
            Command(
                name=f"{OPT / self.service / 'current'} exists",
                check=f"[ -L {OPT / self.service / 'current'} ]",
                apply=switch_script(made),
            ),
        ]

    def configure(self, target: Target) -> list[Resource]:
        """Configuration, secrets and units."""
        process = target.processes[self.service]
        units = {self._unit: render_unit(process, self._recording(target, process))}
        for once in Once:
            if text := render_once(process, once):
                units[unit_name(self.service, once)] = text
        if process.service.every_s is not None:
            units[timer_name(self.service)] = render_timer(process)
        return [
            *_files(target, process),
            *unit_files(units),
        ]

    def activate(self, target: Target) -> list[Resource]:
        """It runs this release with what was configured, and answers."""
        process = target.processes[self.service]
        reads, links = self._inputs(target, process)
        switched = [
            Command(
                name=f"{links[0]} is {release_for(process).name}",
                check=f'[ "$(readlink {links[0]})" = releases/{release_for(process).name} ]',
                apply=switch_script(release_for(process)),
            ),
            *schema(process, release_for(process).folder),
            *ran(target, process, Once.PREPARE, release_for(process).name),
        ]
        if process.service.every_s is not None:
            return [*switched, Unit(timer_name(self.service))]
        limit_s = process.service.health.start_limit_s
        return [
            *switched,
            Unit(self._unit, files=reads, links=links),
            Answers(process.health_url, self._unit, limit_s=limit_s),
        ]

    def provision(self, target: Target) -> list[Resource]:
        """The running service is told what it has to know; old releases go."""
        process = target.processes[self.service]
        keep = target.site.keep_releases
        return [
            *ran(target, process, Once.PROVISION, release_for(process).name),
            Command(
                name=f"of {self.service} the last {keep} releases",
                check=pruned_script(self.service, keep),
                apply=prune_script(self.service, keep),
            ),
        ]

    @property
    def _unit(self) -> str:
        return unit_name(self.service)

    def _recording(self, target: Target, process: Process) -> str:
        files, links = self._inputs(target, process)
        return recording(self._unit, files, links)

    def _inputs(self, target: Target, process: Process) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The files and links that decide what the unit is when it starts."""
        place = process.placement
        mine = {str(place.secrets / name) for name in process.credentials.values()}
        files = [
            file.path
            for file in _files(target, process)
            if Path(file.path).parent != place.secrets or file.path in mine
        ]
        more = (*map(str, process.reads), *self.reads)
        return (*overriding(self._unit), *files, str(CA), *more), (
            str(OPT / self.service / "current"),
        )


def account(target: Target, process: Process, groups: tuple[str, ...] = ()) -> Account:
    """The account as which a service runs."""
    uid = getattr(target.site.accounts, process.service.account)
    return Account(_user(process), uid, str(process.placement.state), groups)


def schema(process: Process, release: str, restore: bool = False) -> list[Resource]:
    """The databases of a service, if it has any, have the schemas of a release.

    `release` is its folder; `restore` allows to load what was dumped before a newer one came.
    """
    of = databases(process, release)
    if not of:
        return []
    return [
        Schema(
            service=of.service,
            release=release,
            stamp=str(ETC / of.service / "schema.json"),
            unit=unit_name(of.service, Once.MIGRATE),
            first=partial(first, of, restore),
        )
    ]


def databases(process: Process, release: str) -> Databases | None:
    """Those of a service, if it has any, and a folder with the release that is to have them."""
    service = process.service
    names = tuple(name for name, role in DATABASES.items() if role == service.database_role)
    if not names:
        return None
    server = process.placement.site.host_of("postgresql")
    return Databases(service.name, unit_name(service.name), release, server, names)


def registry(target: Target) -> File:
    """The algorithms that the page offers and the worker runs."""
    return File(str(REGISTRY), target.site.registry.read_bytes())


def release_for(process: Process) -> Release:
    """What a host is to run of a service."""
    return archives.release(*_made_of(process))


def _made_of(process: Process) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return process.name, process.service.packages, process.service.schema


def _user(process: Process) -> str:
    user = process.placement.user
    assert user, "a service on a host has an account of its own"
    return user


def _files(target: Target, process: Process) -> list[File]:
    """Its configuration, and its secrets for its own eyes."""
    place, user = process.placement, _user(process)
    rendered = [
        File.text(str(place.config / file), render(template, process))
        for template, file in process.service.files.items()
    ]
    names = sorted({*process.credentials.values(), *process.provision_credentials.values()})
    secrets = [
        File.text(
            str(place.secrets / name),
            target.secret(name) + "\n",
            mode=0o600,
            owner=user,
            group=user,
        )
        for name in names
    ]
    return [*rendered, *secrets]


def ran(target: Target, process: Process, once: Once, release: str) -> list[Resource]:
    """What a release of a service, by its name, has to run once, if anything."""
    text = render_once(process, once)
    if text is None:
        return []
    secrets = credentials_of(process, once).values()
    inputs = [text, release, target.digest(*secrets)]
    return [
        Ran(
            unit=unit_name(process.name, once),
            stamp=str(ETC / process.name / f"{once}.ran"),
            fingerprint=hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16],
        )
    ]
