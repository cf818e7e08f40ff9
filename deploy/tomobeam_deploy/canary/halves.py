"""The halves of the canary as units: beside the services whose settings and keys they use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tomobeam_contracts.canary import FIRST_HALF, SECOND_HALF, Hop
from tomobeam_contracts.flow import FlowType
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.renderers.systemd import render_command
from tomobeam_deploy.service import Health, Process


@dataclass(frozen=True)
class Half:
    """What runs on a host, in the sandbox and with the credentials of a service."""

    host: str
    hops: tuple[Hop, ...]
    unit: str
    """its text; it holds no secret"""


def first_half(sender: Target, hop_limit_s: float) -> Half:
    """What a reconstruction host does."""
    process = sender.processes["reconstruction"]
    site = sender.site
    store = site.path_on(sender.name, site.data.filestore)
    own = replace(process, writable=(*process.writable, store))
    # numba, which reconstructs, compiles what it runs.
    own = replace(own, service=replace(own.service, writes_code=True))
    settings = {"TOMOBEAM_CANARY_STORE": str(store)}
    return Half(sender.name, FIRST_HALF, _unit(own, FIRST_HALF, hop_limit_s, settings, "send"))


def second_half(web: Target, scan: str, hop_limit_s: float, kind: FlowType | None = None) -> Half:
    """What the web host does with the scan that was announced under that name.

    `kind` is that of its jobs, if not as the site says.
    """
    process = web.processes["webapp"]
    settings = {"TOMOBEAM_CANARY_FLOW_TYPE": kind.value} if kind else {}
    unit = _unit(process, SECOND_HALF, hop_limit_s, settings, "follow", scan)
    return Half(web.name, SECOND_HALF, unit)


def _unit(
    process: Process,
    hops: tuple[Hop, ...],
    hop_limit_s: float,
    settings: dict[str, str],
    *words: str,
) -> str:
    limit = {"TOMOBEAM_CANARY_HOP_LIMIT_S": f"{hop_limit_s:g}"}
    # What comes before and between the hops has the time of one more.
    health = Health(start_limit_s=round((len(hops) + 1) * hop_limit_s))
    own = replace(
        process,
        service=replace(process.service, health=health),
        argv=(str(Path(process.placement.bin, "tomobeam-canary")), *words),
        environment=process.environment | limit | settings,
    )
    return render_command(own, f"Canary: {words[0]}")
