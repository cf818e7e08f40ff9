"""`tomobeam-lab`: a beamline's bare hosts on this machine, for deploying to."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.lab.access import ssh_command
from tomobeam_deploy.lab.hosts import HostState, create_hosts, host_state
from tomobeam_deploy.lab.image import ensure_image
from tomobeam_deploy.lab.machine import missing_packages, prepare_machine
from tomobeam_deploy.lab.model import LAB, CannotRunHere, LabError
from tomobeam_deploy.lab.podman import clear, other_folders, remnants
from tomobeam_deploy.lab.state import lab_lock, write_state

CANNOT_RUN = 3

app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)


@app.command()
def up() -> None:
    """Start all hosts afresh, bare; what an earlier run left is cleared first."""
    began = time.monotonic()
    prepare_machine()
    with lab_lock():
        write_state()
        for folder in other_folders():
            typer.echo(f"clearing the lab of {folder}", err=True)
        image = ensure_image()
        clear()
        states = create_hosts(image)
    print_table(states)
    typer.echo(f"{len(states)} hosts in {time.monotonic() - began:.0f} s", err=True)


@app.command()
def down() -> None:
    """Remove hosts, network and volume; the keys and the base image are kept."""
    prepare_machine()
    with lab_lock():
        write_state()
        found = remnants()
        clear()
    typer.echo(f"removed {len(found)} things of the lab" if found else "there was no lab", err=True)


@app.command()
def status() -> None:
    """Say how each host is; exit code 1 unless one can deploy to all of them."""
    if os.geteuid() == 0 and (missing := missing_packages()):
        raise CannotRunHere(f"there is no lab: {' '.join(missing)} not installed; run: make lab")
    prepare_machine()
    write_state()
    with ThreadPoolExecutor(len(LAB.hosts)) as pool:
        states = list(pool.map(host_state, LAB.hosts))
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


def print_table(states: list[HostState]) -> None:
    """One line for each host."""
    typer.echo(f"{'host':<10}{'address':<14}{'state':<10}{'ssh':<9}{'seconds':>7}")
    for state in states:
        seconds = f"{state.seconds:7.1f}" if state.seconds else ""
        login = "answers" if state.ssh else "none"
        line = f"{state.host.name:<10}{state.host.address!s:<14}{state.state:<10}{login:<9}"
        typer.echo(line + seconds)


def main() -> None:
    """Entry point; what is wrong ends with one sentence, exit code 3 if no lab can run here."""
    try:
        app()
    except CannotRunHere as error:
        fail(str(error), CANNOT_RUN)
    except (LabError, NoSourcesError) as error:
        fail(str(error), 1)


if __name__ == "__main__":
    sys.exit(main())
