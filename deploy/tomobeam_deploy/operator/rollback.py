"""`rollback`: takes services back to releases that hosts still have."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from tomobeam_deploy.hosts.rollback import RELEASE, RESTORE, SERVICE
from tomobeam_deploy.operator import Inventory, Limit, SameSudoPassword, pyinfra
from tomobeam_deploy.templates import ROOT

DEPLOY = ROOT / "deploy" / "rollback.py"


def rollback(
    inventory: Inventory,
    limit: Limit = None,
    *,
    service: Annotated[str | None, typer.Option(help="only this; else all")] = None,
    release: Annotated[
        str | None, typer.Option(help="this one of the service; else the one before")
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="load dumps; what was written since is lost")
    ] = False,
    same_sudo_password: SameSudoPassword = False,
) -> None:
    """Go back to the releases that ran before, within seconds; configuration stays as it is."""
    given = {SERVICE: service, RELEASE: release, RESTORE: "yes" if restore else None}
    data = [word for key, value in given.items() if value for word in ("--data", f"{key}={value}")]
    command = pyinfra(
        *(inventory, DEPLOY, "-y", *data),
        limit=limit or (),
        same_sudo_password=same_sudo_password,
    )
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
