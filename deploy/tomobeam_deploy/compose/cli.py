"""`tomobeam-compose`: the platform in containers of this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_contracts.registry import RegistryError
from tomobeam_deploy.compose.platform import ContainerPlatform
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.images.base import DEFAULT_BASE
from tomobeam_deploy.images.runtime import ContainersError
from tomobeam_deploy.local.client_environment import client_environment, export_lines
from tomobeam_deploy.local.foreground import Progress
from tomobeam_deploy.local.readiness import StartError
from tomobeam_deploy.releases import ReleaseError
from tomobeam_deploy.service import DescriptionError
from tomobeam_deploy.site import Site, SiteError
from tomobeam_deploy.templates import ROOT

app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)

COMPOSE = ROOT / "inventories" / "compose"
Inventory = Annotated[Path, typer.Option(help="the inventory that describes the containers")]
Base = Annotated[
    str, typer.Option("--base-image", envvar="BASE_IMAGE", help="what all images stand on")
]


@app.command()
def write(inventory: Inventory = COMPOSE, base: Base = DEFAULT_BASE) -> None:
    """Build images that changed, and write the compose file; nothing is started."""
    platform = _platform(inventory, base)
    platform.write()
    typer.echo(platform.layout.file)


@app.command()
def up(inventory: Inventory = COMPOSE, base: Base = DEFAULT_BASE) -> None:
    """Start everything in the background, and return once all of it answers."""
    platform = _platform(inventory, base)
    platform.up()
    typer.echo(f"the page is at {platform.site.page_url}; stop everything with: make compose-down")


@app.command()
def down(inventory: Inventory = COMPOSE) -> None:
    """Remove the containers; the data stays."""
    _platform(inventory).down()


@app.command()
def logs(
    services: Annotated[list[str] | None, typer.Argument(help="of which; of all")] = None,
    inventory: Inventory = COMPOSE,
    follow: Annotated[bool, typer.Option(help="and what comes")] = False,
) -> None:
    """Show what the containers printed."""
    _platform(inventory).logs(services or [], follow=follow)


@app.command()
def env(inventory: Inventory = COMPOSE) -> None:
    """Print export lines for other clients: addresses and the least credentials."""
    layout = _platform(inventory).layout
    layout.check_written()
    typer.echo(export_lines(client_environment(layout)))


@app.command()
def demo(inventory: Inventory = COMPOSE, base: Base = DEFAULT_BASE) -> None:
    """Start everything, and send one scan through every wire; it runs on afterwards."""
    from tomobeam_canary.page import Users
    from tomobeam_deploy.demo.chain import run_demo

    platform = _platform(inventory, base)
    platform.up()
    users = Users(platform.project.exec("webapp", "tomobeam-webapp"), dict(os.environ))
    if not run_demo(platform.layout, users):
        raise typer.Exit(1)
    typer.echo("it runs until: make compose-down; keys for your own clients: make -s compose-env")


def _platform(inventory: Path, base: str = DEFAULT_BASE) -> ContainerPlatform:
    site = Site.load(inventory)
    if site.containers is None:
        raise SiteError(f"{inventory}: containers: it describes none")
    return ContainerPlatform(site, base or DEFAULT_BASE, Progress())


def main() -> None:
    """Entry point; what is wrong ends with one sentence."""
    try:
        app()
    except (
        SiteError,
        StartError,
        DescriptionError,
        ContainersError,
        NoSourcesError,
        RegistryError,
        ReleaseError,
    ) as error:
        fail(str(error), 1)


if __name__ == "__main__":
    sys.exit(main())
