"""Sends the canary over the hosts of a site, and finds out who is at fault where it stops."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import ValidationError

from tomobeam_contracts.canary import Hop, HopReport
from tomobeam_contracts.destinations import CANARY
from tomobeam_contracts.flow import FlowType
from tomobeam_deploy.canary.halves import Half, first_half, second_half
from tomobeam_deploy.canary.wires import Wire, wires
from tomobeam_deploy.hosts.asking import Ask, Unreached
from tomobeam_deploy.hosts.target import Target

LOG_LINES = 10
# Of several canaries at once each waits for its turn on a host.
TURN_LIMIT_S = 600
# A unit of this run's own, gone with it, so that its log is this run's alone.
RUN = f"""\
set -eu
umask 022
exec 9>/run/lock/tomobeam-canary
flock --timeout {TURN_LIMIT_S} 9 || {{ echo "another canary is still on its way" >&2; exit 1; }}
file=/run/systemd/system/$1
trap 'rm -f "$file"; systemctl reset-failed "$1" 2>/dev/null || true; systemctl daemon-reload' EXIT
cat >"$file"
systemctl daemon-reload
systemctl start "$1" 2>/dev/null || true
journalctl --sync
journalctl --unit "$1" --output cat --no-pager --quiet
"""
LOG = f'journalctl --unit "$1" --lines {LOG_LINES} --output cat --no-pager --quiet'


@dataclass
class Fault:
    """Where the canary stopped, and what is known of it."""

    hop: Hop
    sentence: str
    log: dict[str, str] = field(default_factory=dict)
    """host and unit → the unit's last lines"""


@dataclass
class Journey:
    """What came of a canary."""

    wires: dict[Hop, Wire]
    reports: dict[Hop, HopReport] = field(default_factory=dict)
    fault: Fault | None = None


def travel(
    sender: Target, web: Target, ask: Ask, hop_limit_s: float, kind: FlowType | None = None
) -> Journey:
    """Run the first half and, if it went well, the second, with jobs of a kind."""
    journey = Journey(wires(sender.site, sender.name))
    _run(journey, first_half(sender, hop_limit_s), ask)
    if journey.fault is None:
        scan = journey.reports[Hop.NOTIFY].scan or ""
        _run(journey, second_half(web, scan, hop_limit_s, kind), ask)
    if journey.fault:
        journey.fault.log = _logs(journey.wires[journey.fault.hop], ask)
    return journey


def _run(journey: Journey, half: Half, ask: Ask) -> None:
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    try:
        printed = ask(half.host, RUN, f"{CANARY}-{stamp}.service", half.unit)
    except Unreached as error:
        journey.fault = Fault(half.hops[0], f"{half.host}: {error}")
        return
    reports, rest = _read(printed)
    journey.reports |= {report.hop: report for report in reports}
    failed = next((report for report in reports if report.fault), None)
    missing = next((hop for hop in half.hops if hop not in journey.reports), None)
    if failed:
        journey.fault = Fault(failed.hop, failed.fault or "")
    elif missing:
        said = "\n".join(rest[-LOG_LINES:])
        journey.fault = Fault(missing, f"the canary broke off on {half.host}: {said}")


def _read(printed: str) -> tuple[list[HopReport], list[str]]:
    """The reports among the lines of a unit's log, and the other lines."""
    reports, rest = [], []
    for line in printed.splitlines():
        try:
            reports.append(HopReport.receive_json(line))
        except ValidationError:
            rest.append(line)
    return reports, rest


def _logs(wire: Wire, ask: Ask) -> dict[str, str]:
    logs = {}
    for host in wire.suspects:
        for unit in wire.units:
            try:
                said = ask(host, LOG, unit, "").strip() or "(nothing)"
            except Unreached as error:
                said = f"({error})"
            logs[f"{host} {unit}"] = said
    return logs
