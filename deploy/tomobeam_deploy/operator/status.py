"""`status`: how every unit of every host is, in one table."""

from __future__ import annotations

import json
import shutil
from getpass import getpass
from typing import Annotated

import typer

from tomobeam_deploy.hosts import preflight
from tomobeam_deploy.operator import Inventory, Limit, SameSudoPassword
from tomobeam_deploy.site import Site
from tomobeam_deploy.site.connection import connection_settings, openssh_options
from tomobeam_deploy.status.gather import gather
from tomobeam_deploy.status.table import NARROWEST, text


def status(
    inventory: Inventory,
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead")] = False,
    same_sudo_password: SameSudoPassword = False,
) -> None:
    """Show how all hosts and their units are; exit code 1 if anything is not well."""
    site = Site.load(inventory)
    password = getpass("sudo password: ") if same_sudo_password else None
    options = openssh_options(connection_settings(inventory).get)
    ssh = {name: ["ssh", *options, str(host.address)] for name, host in site.hosts.items()}
    hosts = preflight.limited(site, inventory, limit or ())
    found = gather(site, hosts, ssh, password)
    width = max(NARROWEST, shutil.get_terminal_size().columns)
    typer.echo(json.dumps(found, indent=2) if as_json else text(found, width))
    if not found["well"]:
        raise typer.Exit(1)
