"""A site's hosts on this machine, bare, for deploying to.

Without an inventory they are those of inventories/lab; with one, the hosts of that site under its
own names and addresses, so that its deployment can be rehearsed as it stands.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.lab.access import ssh_command
from tomobeam_deploy.lab.hosts import HostState, create_hosts, host_state
from tomobeam_deploy.lab.image import ensure_image
from tomobeam_deploy.lab.machine import check_network, missing_packages, prepare_machine
from tomobeam_deploy.lab.model import INVENTORY, CannotRunHere, Lab, LabError
from tomobeam_deploy.lab.podman import clear, other_folders, remnants
from tomobeam_deploy.lab.state import (
    AGE_KEY,
    KEY,
    KNOWN_HOSTS,
    SECRETS,
    lab_lock,
    running,
    running_inventory,
    write_podman_settings,
    write_state,
)
from tomobeam_deploy.site import SiteError

CANNOT_RUN = 3

app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)


@app.command()
def up(
    inventory: Annotated[
        Path, typer.Argument(help="whose hosts", show_default="inventories/lab")
    ] = INVENTORY,
) -> None:
    """Start all hosts afresh, bare; what an earlier run left is cleared first."""
    began = time.monotonic()
    lab = Lab.of(inventory)
    prepare_machine()
    check_network(lab)
    with lab_lock():
        write_podman_settings()
        write_state(lab)
        for folder in other_folders():
            typer.echo(f"clearing the lab of {folder}", err=True)
        image = ensure_image(lab)
        clear()
        states = create_hosts(image, lab)
    print_table(states)
    typer.echo(f"{len(states)} hosts in {time.monotonic() - began:.0f} s", err=True)


@app.command()
def down() -> None:
    """Remove hosts, network and volume; the keys and the base image are kept."""
    prepare_machine()
    with lab_lock():
        write_podman_settings()
        found = remnants()
        clear()
    typer.echo(f"removed {len(found)} things of the lab" if found else "there was no lab", err=True)


@app.command()
def status() -> None:
    """Say how each host is; exit code 1 unless one can deploy to all of them."""
    if os.geteuid() == 0 and (missing := missing_packages()):
        raise CannotRunHere(f"there is no lab: {' '.join(missing)} not installed; run: make lab")
    prepare_machine()
    write_podman_settings()
    lab = running()
    write_state(lab)
    with ThreadPoolExecutor(len(lab.hosts)) as pool:
        states = list(pool.map(host_state, lab.hosts))
    print_table(states)
    if not all(state.well for state in states):
        raise typer.Exit(1)


@app.command(context_settings={"ignore_unknown_options": True})
def ssh(
    host: Annotated[str, typer.Argument(help="which host")],
    command: Annotated[list[str] | None, typer.Argument(help="after --; none: log in")] = None,
) -> None:
    """Log in to a host as its operator, or run a command there."""
    argv = ssh_command(host, *(command or []))
    os.execvp(argv[0], argv)


@app.command()
def env() -> None:
    """Print export lines for deploying to the lab (use: eval "$(tomobeam-lab env)").

    With them `make verify`, `make drift` and `make secrets` mean its hosts.
    For another site than inventories/lab they put the lab's SSH keys, pins and secrets in the
    place of the site's own, which stay untouched.
    """
    variables = {"INVENTORY": running_inventory(), "TOMOBEAM_AGE_KEY_FILE": AGE_KEY}
    if running_inventory() != INVENTORY:
        variables |= {
            "TOMOBEAM_SSH_KEY": KEY,
            "TOMOBEAM_SSH_KNOWN_HOSTS": KNOWN_HOSTS,
            "TOMOBEAM_SECRETS": SECRETS,
        }
    for name, path in variables.items():
        typer.echo(f"export {name}={shlex.quote(str(path))}")


def print_table(states: list[HostState]) -> None:
    """One line for each host."""
    width = max(10, *(len(state.host.name) + 2 for state in states))
    typer.echo(f"{'host':<{width}}{'address':<16}{'state':<10}{'ssh':<9}{'seconds':>7}")
    for state in states:
        seconds = f"{state.seconds:7.1f}" if state.seconds else ""
        login = "answers" if state.ssh else "none"
        line = f"{state.host.name:<{width}}{state.host.address!s:<16}{state.state:<10}{login:<9}"
        typer.echo(line + seconds)


def main() -> None:
    """Entry point; what is wrong ends with one sentence, exit code 3 if no lab can run here."""
    try:
        app()
    except CannotRunHere as error:
        fail(str(error), CANNOT_RUN)
    except (LabError, NoSourcesError, SiteError) as error:
        fail(str(error), 1)


if __name__ == "__main__":
    sys.exit(main())
