"""`check`: what can be known to be wrong without a connection."""

from __future__ import annotations

import typer

from tomobeam_deploy.hosts import preflight
from tomobeam_deploy.operator import Inventory, Limit


def check(inventory: Inventory, limit: Limit = None) -> None:
    """See that a deploy can begin: the inventory, its secrets, certificates and host keys."""
    site, warnings = preflight.check(inventory, limit or ())
    preflight.check_images(site)
    for warning in warnings:
        typer.echo(warning, err=True)
    typer.echo(f"{inventory}: a deploy to {', '.join(site.hosts)} can begin")
