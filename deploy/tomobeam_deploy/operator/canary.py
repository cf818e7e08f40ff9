"""`canary`: a tiny scan over every wire, and how long each hop took."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from tomobeam_common.settings import fail
from tomobeam_contracts.canary import HOP_LIMIT_S
from tomobeam_contracts.flow import FlowType
from tomobeam_deploy.canary.operation import KIND, LIMIT, REPORT, SENDER
from tomobeam_deploy.canary.report import text
from tomobeam_deploy.hosts import preflight
from tomobeam_deploy.operator import Inventory, SameSudoPassword, pyinfra
from tomobeam_deploy.site import Group, SiteError
from tomobeam_deploy.site.faults import did_you_mean
from tomobeam_deploy.templates import ROOT

DEPLOY = ROOT / "deploy" / "canary.py"


def canary(
    inventory: Inventory,
    *,
    sender: Annotated[
        str | None, typer.Option("--from", help="reconstruction host; else the first")
    ] = None,
    kind: Annotated[
        FlowType | None, typer.Option(help="of its jobs; else as the site says")
    ] = None,
    hop_limit: Annotated[
        float, typer.Option(min=1, help="seconds after which a hop counts as failed")
    ] = HOP_LIMIT_S,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead")] = False,
    same_sudo_password: SameSudoPassword = False,
) -> None:
    """Send a tiny scan over every wire and print the time of each hop; exit code 1 if one fails."""
    found = fly(inventory, sender, kind, hop_limit, same_sudo_password=same_sudo_password)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else text(found))
    if not found["passed"]:
        raise typer.Exit(1)


def fly(
    inventory: Path,
    sender: str | None,
    kind: FlowType | None,
    hop_limit_s: float,
    *,
    same_sudo_password: bool = False,
) -> dict[str, Any]:
    """Send a canary; what came of it, as `tomobeam_deploy.canary.report.document` says.

    Raises:
        SiteError: the inventory or a pinned host key is wrong, `sender` does not reconstruct, or
            no host runs jobs of this kind.
        SecretsError: a secret or a certificate is missing or not valid.
    """
    site, _ = preflight.check(inventory, ())
    senders = site.members(Group.RECONSTRUCTION)
    if sender and sender not in senders:
        raise SiteError(
            f"--from: {sender!r} is no reconstruction host of {inventory}"
            f"{did_you_mean(sender, senders)}"
        )
    if kind and kind not in site.offered:
        raise SiteError(
            f"--kind: {kind.value!r} is run by no compute host of {inventory}; these are: "
            f"{', '.join(sorted(site.offered))}"
        )
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        settings = {
            SENDER: sender or "",
            KIND: kind.value if kind else "",
            LIMIT: str(hop_limit_s),
            REPORT: str(report),
        }
        done = subprocess.run(
            pyinfra(inventory, DEPLOY, "-y", same_sudo_password=same_sudo_password),
            cwd=ROOT,
            env=os.environ | settings,
            stdin=None if same_sudo_password else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            fail("\n".join(done.stderr.strip().splitlines()[-10:]), 1)
        return json.loads(report.read_text(encoding="utf-8"))
