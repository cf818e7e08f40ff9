"""Tiled on the storage host."""

from __future__ import annotations

import shlex
from dataclasses import replace
from itertools import pairwise

from tomobeam_deploy.hosts.resources import File, Folder, Resource
from tomobeam_deploy.hosts.services import ServiceRole, release_for
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.service import Process
from tomobeam_deploy.site import Accounts, Group

GROUPS = (Group.STORAGE,)
NEEDS = ("postgresql", "file_store", "front_door")

USER = Accounts.name("tiled")

_service = ServiceRole("tiled", shared=True)
activate = _service.activate
provision = _service.provision


def install(target: Target) -> list[Resource]:
    """What every service has, and the store of masks and results."""
    store = Folder(str(target.site.data.writable), 0o750, USER, USER)
    return [*_service.install(target), store]


def configure(target: Target) -> list[Resource]:
    """What every service has; the Tiled that is to run judges its configuration before."""
    process = target.processes["tiled"]
    path = str(process.placement.config / "tiled.yml")
    return [
        replace(r, validate=_trial(process)) if isinstance(r, File) and r.path == path else r
        for r in _service.configure(target)
    ]


def _trial(process: Process) -> tuple[str, ...]:
    """As its user, without its secrets: each is there by its name only."""
    secrets = [name for word, name in pairwise(process.argv) if word == "--secret"]
    variables = {k: v for k, v in process.environment.items() if k not in process.credentials}
    variables |= {"HOME": str(process.placement.state)} | dict.fromkeys(secrets, "secret")
    words = [f"{name}={value}" for name, value in sorted(variables.items())]
    program = f"{release_for(process).folder}/bin/tomobeam-tiled"
    command = shlex.join(["runuser", "-u", USER, "--", "env", *words, program, "check-config"])
    return ("sh", "-c", f'{command} <"$1"', "Tiled", "{}")
