"""`drift`: what of the hosts differs from what the site says."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import typer

from tomobeam_deploy.hosts import preflight, report
from tomobeam_deploy.hosts.report import Differences
from tomobeam_deploy.operator import Inventory, Limit, SameSudoPassword, pyinfra
from tomobeam_deploy.templates import ROOT

ALL = ROOT / "deploy" / "all.py"
DIFFERS = 2


class HostsDiffer(Exception):
    """Something differs; ends the command with an exit code of its own."""


@dataclass(frozen=True)
class Drift:
    """What was seen of a site's hosts; each is in one of both."""

    differences: dict[str, Differences] = field(default_factory=dict)
    """what each host lacks, title → sentences; empty where nothing differs"""
    faults: dict[str, str] = field(default_factory=dict)
    """why a host could not be looked at"""


def drift(
    inventory: Inventory, limit: Limit = None, same_sudo_password: SameSudoPassword = False
) -> None:
    """List what differs on the hosts; exit code 2 if anything does, 1 if a host does not answer."""
    seen = look(inventory, limit or (), same_sudo_password=same_sudo_password)
    for host, differences in seen.differences.items():
        for title, sentences in differences.items():
            typer.echo(f"{host}: {title}: {'; '.join(sentences)}")
    for host, fault in seen.faults.items():
        typer.echo(f"{host}: was not looked at: {fault}", err=True)
    if seen.faults:
        raise typer.Exit(1)
    if any(seen.differences.values()):
        raise HostsDiffer


def look(
    inventory: Path,
    limit: Iterable[str] = (),
    deploy: Path = ALL,
    *,
    same_sudo_password: bool = False,
) -> Drift:
    """Compare hosts with what a deploy would do to them, and change nothing.

    Raises:
        SiteError: the inventory or a pinned host key is wrong, `limit` names no host, or this
            machine lacks what images are made by.
        SecretsError: a secret or a certificate is missing or not valid.
    """
    limit = list(limit)
    site, _ = preflight.check(inventory, limit)
    preflight.check_images(site)
    hosts = preflight.limited(site, inventory, limit)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "differences"
        # With --json it asks no questions where a host fails, but goes on with the others.
        command = pyinfra(
            *(inventory, deploy, "--dry", "--json"),
            limit=limit,
            same_sudo_password=same_sudo_password,
        )
        said = _plan(command, path, asks=same_sudo_password)
        found = report.read(path)
    drift = Drift()
    for host in hosts:
        match found.get(host, _reason(host, said)):
            case str(fault):
                drift.faults[host] = fault
            case differences:
                drift.differences[host] = differences
    return drift


def _plan(command: list[str], path: Path, *, asks: bool) -> str:
    """Let pyinfra plan a deploy; what it says while it does. `asks`: for a password."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {report.VARIABLE: str(path)},
        stdin=None if asks else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def _reason(host: str, said: str) -> str:
    """Why pyinfra did not come to a host."""
    of_host = [line.split("]", 1)[1].strip() for line in said.splitlines() if f"[{host}]" in line]
    return of_host[-1] if of_host else "\n".join(said.strip().splitlines()[-5:])
