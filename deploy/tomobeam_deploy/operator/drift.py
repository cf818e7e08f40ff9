"""`drift`: what of the hosts differs from what the site says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import typer

from tomobeam_deploy.hosts import preflight
from tomobeam_deploy.hosts.operations import REPORT, Differences
from tomobeam_deploy.operator import Inventory, Limit
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


def drift(inventory: Inventory, limit: Limit = None) -> None:
    """List what differs on the hosts; exit code 2 if anything does, 1 if a host does not answer."""
    seen = look(inventory, limit or ())
    for host, differences in seen.differences.items():
        for title, sentences in differences.items():
            typer.echo(f"{host}: {title}: {'; '.join(sentences)}")
    for host, fault in seen.faults.items():
        typer.echo(f"{host}: was not looked at: {fault}", err=True)
    if seen.faults:
        raise typer.Exit(1)
    if any(seen.differences.values()):
        raise HostsDiffer


def look(inventory: Path, limit: Iterable[str] = (), deploy: Path = ALL) -> Drift:
    """Compare hosts with what a deploy would do to them, and change nothing.

    Raises:
        SiteError: the inventory or a pinned host key is wrong, or `limit` names no host.
        SecretsError: a secret or a certificate is missing or not valid.
    """
    limit = list(limit)
    site, _ = preflight.check(inventory, limit)
    limited = [host for pattern in limit for host in preflight.hosts_of(site, inventory, pattern)]
    hosts = [host for host in site.hosts if not limit or host in limited]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "differences"
        said = _plan(inventory, limit, deploy, report)
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    found = {each["host"]: each for each in map(json.loads, lines)}
    return Drift(
        {host: found[host]["differs"] for host in hosts if "differs" in found.get(host, {})},
        {
            host: found.get(host, {}).get("fault") or _reason(host, said)
            for host in hosts
            if "differs" not in found.get(host, {})
        },
    )


def _plan(inventory: Path, limit: list[str], deploy: Path, report: Path) -> str:
    """Let pyinfra plan a deploy; what it says while it does."""
    # With --json it asks no questions where a host fails, but goes on with the others.
    flags = ["--dry", "--json", *(word for pattern in limit for word in ("--limit", pattern))]
    done = subprocess.run(
        [sys.executable, "-m", "pyinfra", str(inventory.resolve()), str(deploy), *flags],
        cwd=ROOT,
        env=os.environ | {REPORT: str(report)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def _reason(host: str, said: str) -> str:
    """Why pyinfra did not come to a host."""
    of_host = [line.split("]", 1)[1].strip() for line in said.splitlines() if f"[{host}]" in line]
    return of_host[-1] if of_host else "\n".join(said.strip().splitlines()[-5:])
