"""`uninstall`: takes roles away from their hosts."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from tomobeam_deploy.hosts.uninstall import DELETE, ROLE
from tomobeam_deploy.operator import Inventory, Limit, SameSudoPassword, pyinfra
from tomobeam_deploy.templates import ROOT

DEPLOY = ROOT / "deploy" / "uninstall.py"


def uninstall(
    inventory: Inventory,
    role: Annotated[list[str], typer.Argument(help="a folder of roles/, such as webapp")],
    limit: Limit = None,
    *,
    data_too: Annotated[
        bool, typer.Option("--data-too", help="delete their data for good; asks on a terminal")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not show the plan and ask")] = False,
    same_sudo_password: SameSudoPassword = False,
) -> None:
    """Take roles away from their hosts: units, configuration, secrets and releases.

    Their data stays unless you say otherwise, and so do accounts and Debian packages. A deploy
    brings them back.
    """
    options = [
        *("--data", f"{ROLE}={','.join(role)}"),
        *(("--data", f"{DELETE}=yes") if data_too else ()),
        *(("-y",) if yes else ()),
    ]
    command = pyinfra(
        *(inventory, DEPLOY, *options),
        limit=limit or (),
        same_sudo_password=same_sudo_password,
    )
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
