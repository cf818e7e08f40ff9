"""`tomobeam`: the platform on one machine, from one command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_deploy.local.background import start_in_background
from tomobeam_deploy.local.client_environment import client_environment, export_lines
from tomobeam_deploy.local.foreground import running_platform, wait_for_signal
from tomobeam_deploy.local.layout import Layout
from tomobeam_deploy.local.lock import SupervisorLock, end_supervisor
from tomobeam_deploy.local.readiness import StartError, answers
from tomobeam_deploy.renderers.child import child_command
from tomobeam_deploy.service import DescriptionError
from tomobeam_deploy.site import Site, SiteError
from tomobeam_deploy.templates import ROOT

app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)

Inventory = Annotated[Path, typer.Option(help="the inventory that describes this machine")]
LOCAL = ROOT / "inventories" / "local"


@app.command()
def up(
    inventory: Inventory = LOCAL,
    background: Annotated[bool, typer.Option(help="return once everything answers")] = False,
) -> None:
    """Start every service; Ctrl-C ends them."""
    site = Site.load(inventory)
    if background:
        start_in_background(Layout(site), inventory)
        typer.echo(f"the page is at {site.url('webapp')}; stop everything with: make down")
        return
    with running_platform(site):
        typer.echo("everything answers; Ctrl-C ends it", err=True)
        wait_for_signal()


@app.command()
def down(inventory: Inventory = LOCAL) -> None:
    """Stop the platform that runs in the background, or in another terminal."""
    if not end_supervisor(SupervisorLock(Layout(Site.load(inventory)).lock)):
        typer.echo("nothing was running", err=True)


@app.command()
def status(inventory: Inventory = LOCAL) -> None:
    """Say which services answer; exit code 1 if one does not."""
    layout = Layout(Site.load(inventory))
    well = True
    for name, process in layout.processes().items():
        ok = answers(process)
        well &= ok
        typer.echo(f"{name:<16}{'answers' if ok else 'does not answer':<18}port {process.port}")
    if not well:
        raise typer.Exit(1)


@app.command()
def env(inventory: Inventory = LOCAL) -> None:
    """Print export lines for other clients: addresses and the least credentials."""
    layout = Layout(Site.load(inventory))
    try:
        typer.echo(export_lines(client_environment(layout)))
    except FileNotFoundError as error:
        raise StartError(f"{error.filename} is missing: start the platform first") from error


@app.command(context_settings={"ignore_unknown_options": True})
def run(
    service: Annotated[str, typer.Argument(help="whose settings and secrets")],
    command: Annotated[list[str], typer.Argument(help="program and arguments, after --")],
    inventory: Inventory = LOCAL,
) -> None:
    """Run a program with the environment of a service, such as its own operator's command."""
    processes = Layout(Site.load(inventory)).processes()
    if service not in processes:
        raise StartError(f"no service {service!r}; there are: {', '.join(processes)}")
    environment = child_command(processes[service]).environment
    try:
        os.execvpe(command[0], command, dict(environment))
    except OSError as error:
        raise StartError(f"{command[0]}: {error.strerror}") from error


@app.command()
def demo(
    inventory: Inventory = LOCAL,
    once: Annotated[bool, typer.Option(help="exit after the table")] = False,
) -> None:
    """Start everything, send one scan through every wire, and say how it went."""
    from tomobeam_deploy.demo.chain import page_users, run_demo

    site = Site.load(inventory)
    passed = False
    with running_platform(site) as platform:
        passed = run_demo(platform.layout, page_users(platform.processes["webapp"]))
        typer.echo("Logins for Tiled and Prefect, and keys for your own clients: make -s env")
        if not once:
            wait_for_signal()
    raise typer.Exit(0 if passed or not once else 1)


def main() -> None:
    """Entry point; what is wrong with the inventory or a service ends with one sentence."""
    try:
        app()
    except (SiteError, StartError, DescriptionError) as error:
        fail(str(error), 1)


if __name__ == "__main__":
    sys.exit(main())
