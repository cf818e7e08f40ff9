"""Renders a process as a child of the local supervisor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tomobeam_deploy.service import Process

# Certificates and proxies belong to the machine; nothing else of the caller's shell gets in.
INHERITED = ("LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "JAVA_HOME")


@dataclass(frozen=True)
class ChildCommand:
    """What to execute, in which folder and with which environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


def base_environment(bin_folder: Path, home: Path) -> dict[str, str]:
    """The variables that every child gets: caches and settings stay below its own folder."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        **inherited,
        "PATH": f"{bin_folder}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONUNBUFFERED": "1",
    }


def child_command(process: Process) -> ChildCommand:
    """The service itself, ended with its supervisor and with no signal ignored or blocked."""
    place = process.placement
    guard = ("env", "--default-signal", "setpriv", "--pdeathsig", "TERM", "--")
    return ChildCommand(
        argv=(*guard, *process.argv),
        environment={**base_environment(place.bin, place.state), **process.environment},
        folder=place.state,
    )


def prepare_command(process: Process) -> ChildCommand | None:
    """What runs before the start, if anything."""
    if not process.prepare:
        return None
    place = process.placement
    environment = {**base_environment(place.bin, place.state), **process.environment}
    return ChildCommand(process.prepare, environment, place.state)


def provision_command(process: Process) -> ChildCommand | None:
    """What runs once the service answers, if anything."""
    if not process.provision:
        return None
    place = process.placement
    environment = {**base_environment(place.bin, place.state), **process.provision_environment}
    return ChildCommand(process.provision, environment, place.state)
