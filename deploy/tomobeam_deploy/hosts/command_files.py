"""Commands that people type on a host: a service's own programs, with its settings there."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from tomobeam_deploy.hosts.resources import File
from tomobeam_deploy.service import Process
from tomobeam_deploy.templates import render_names

FOLDER = "/usr/local/bin"
_TEMPLATE = "commands/usr/local/bin/tomobeam-command.j2"


def for_root(process: Process, program: str) -> File:
    """A program that root runs as the service's user: `sudo tomobeam-ingester status`.

    That user reads the service's secrets from the files that the variables name.
    """
    home = {"HOME": str(process.placement.state)}
    return _command(process, program, home | process.environment, None)


def for_group(process: Process, program: str, group: str, more: Mapping[str, str]) -> File:
    """A program that everybody runs as who they are, with `more` variables.

    Members of `group` can read what these name.
    """
    return _command(process, program, {**process.environment, **more}, group)


def _command(
    process: Process, program: str, environment: Mapping[str, str], group: str | None
) -> File:
    names = {
        "program": program,
        "bin": process.placement.bin,
        "environment": {key: shlex.quote(value) for key, value in environment.items()},
        "account": process.placement.user,
        "group": group,
    }
    return File.text(f"{FOLDER}/{program}", render_names(_TEMPLATE, names), mode=0o755)
