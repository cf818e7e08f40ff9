"""What every service of ours is on a host: a release, an account, files, secrets, units."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from tomobeam_deploy.hosts import archives
from tomobeam_deploy.hosts.resources import (
    Account,
    Answers,
    Bundle,
    File,
    Folder,
    Link,
    Ran,
    Resource,
    Unit,
)
from tomobeam_deploy.hosts.target import CA, ETC, OPT, SHARED_GROUP, Target
from tomobeam_deploy.releases import Release, unpack_script
from tomobeam_deploy.renderers.systemd import (
    UNITS,
    Once,
    recording,
    render_once,
    render_unit,
    unit_name,
)
from tomobeam_deploy.service import Process
from tomobeam_deploy.templates import render

VERIFY_UNIT = ("systemd-analyze", "verify", "--man=no", "{}")


def release(process: Process) -> Release:
    """The release that belongs to this checkout."""
    return archives.release(process.name, process.service.packages)


def account(target: Target, process: Process, groups: tuple[str, ...] = ()) -> Account:
    """The account as which a service runs."""
    uid = getattr(target.site.accounts, process.service.port)
    user = process.placement.user
    assert user, "a service on a host has an account of its own"
    return Account(user, uid, str(process.placement.state), groups)


def install_service(target: Target, name: str, shared: bool = False) -> list[Resource]:
    """Account, folders and environment; `shared`: it may read the file store."""
    process = target.processes[name]
    place, made = process.placement, release(process)
    groups = (SHARED_GROUP,) if shared else ()
    user = place.user or "root"
    return [
        account(target, process, groups),
        Folder(str(place.state), 0o750, user, user),
        Folder(str(ETC / name), 0o755),
        Folder(str(place.secrets), 0o700, user, user),
        Bundle(
            name=f"{name} {made.name}",
            marker=made.folder,
            archive=partial(archives.release_archive, name, process.service.packages),
            script=unpack_script(made),
        ),
    ]


def configure_service(target: Target, name: str, more: tuple[str, ...] = ()) -> list[Resource]:
    """Configuration, secrets and units; `more`: further files that the unit reads."""
    process = target.processes[name]
    files = _files(target, process)
    unit = unit_name(name)
    record = recording(unit, _reads(process, files, more), _links(process))
    units = {unit: render_unit(process, record)}
    units |= {unit_name(name, once): text for once in Once if (text := render_once(process, once))}
    return [
        *files,
        *(File.text(f"{UNITS}/{u}", text, validate=VERIFY_UNIT) for u, text in units.items()),
    ]


def switch_release(target: Target, name: str) -> Link:
    """`current`, which decides what the unit runs."""
    return Link(str(OPT / name / "current"), f"releases/{release(target.processes[name]).name}")


def activate_service(target: Target, name: str, more: tuple[str, ...] = ()) -> list[Resource]:
    """The service runs what was configured, and answers."""
    process = target.processes[name]
    reads = _reads(process, _files(target, process), more)
    return [
        *_ran(target, process, Once.PREPARE),
        Unit(unit_name(name), files=reads, links=_links(process)),
        Answers(_address(process), unit_name(name), limit_s=process.service.health.start_limit_s),
    ]


def provision_service(target: Target, name: str) -> list[Resource]:
    """What the running service has to be told."""
    return _ran(target, target.processes[name], Once.PROVISION)


def _files(target: Target, process: Process) -> list[File]:
    """Its configuration, and its secrets for its own eyes."""
    place = process.placement
    user = place.user or "root"
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


def _reads(process: Process, files: list[File], more: tuple[str, ...]) -> tuple[str, ...]:
    own = set(process.credentials.values())
    place = process.placement
    used = [f.path for f in files if Path(f.path).parent != place.secrets]
    used += [str(place.secrets / name) for name in sorted(own)]
    return (f"{UNITS}/{unit_name(process.name)}", *used, str(CA), *more)


def _links(process: Process) -> tuple[str, ...]:
    return (str(OPT / process.name / "current"),)


def _ran(target: Target, process: Process, once: Once) -> list[Resource]:
    text = render_once(process, once)
    if text is None:
        return []
    credentials = process.credentials if once is Once.PREPARE else process.provision_credentials
    inputs = [text, release(process).name, target.digest(*credentials.values())]
    return [
        Ran(
            unit=unit_name(process.name, once),
            stamp=str(ETC / process.name / f"{once}.ran"),
            fingerprint=hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16],
        )
    ]


def _address(process: Process) -> str:
    site = process.placement.site
    return process.health_url or f"tcp://{site.address}:{process.port}"
