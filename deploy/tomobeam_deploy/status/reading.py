"""Makes rows of what a host said, and finds what is not well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tomobeam_deploy import pki
from tomobeam_deploy.hosts.operations import CLOCK_TOLERANCE_S
from tomobeam_deploy.hosts.target import CERTIFICATE, Target
from tomobeam_deploy.status.asking import Answer
from tomobeam_deploy.status.lag import Lag, lag_of
from tomobeam_deploy.status.watch import VERSION, Watched, disks

RUNNING = ("active", "reloading")
LEAST_FREE = 0.05
HOST = "the host"


@dataclass(frozen=True)
class Row:
    """One line of the table; the columns are for programs, `table` has the words."""

    host: str
    unit: str
    state: str
    since: datetime | None = None
    restarts: int = 0
    version: str | None = None
    """the release that runs"""
    current: str | None = None
    """the one that would be started now"""
    health: str = ""
    """ok, or what is wrong; empty where nothing answers"""
    lag: Mapping[str, float] = field(default_factory=dict)
    """numbers by what they are, such as waiting or certificate_days"""
    faults: tuple[str, ...] = ()
    """what is not well, in sentences without their subject"""


def rows(target: Target, units: list[Watched], answer: Answer) -> list[Row]:
    """The host's own row, and one for each of its units; only the first where it said nothing."""
    said = answer.said
    if said is None:
        fault = f"does not answer: {answer.fault}"
        return [Row(target.name, HOST, "does not answer", health=answer.fault, faults=(fault,))]
    return [_host(target, said, answer.clock_off_s), *(_unit(target.name, u, said) for u in units)]


def _host(target: Target, said: Mapping[str, Any], clock_off_s: float) -> Row:
    lag, faults = {}, []
    for what, folder in disks(target).items():
        disk = said["folders"][folder]
        if fault := disk.get("fault"):
            faults.append(f"{folder}: {fault}")
            continue
        lag[f"{what}_free_bytes"] = disk["free"]
        if disk["free"] < LEAST_FREE * disk["size"]:
            faults.append(f"{folder}: only {disk['free'] / disk['size']:.0%} of its disk is free")
    lasts, wrong = _certificate(said["files"][str(CERTIFICATE)])
    lag |= lasts
    faults += [f"{CERTIFICATE}: {each}" for each in wrong]
    lag["clock_off_s"] = round(clock_off_s, 3)
    if abs(clock_off_s) > CLOCK_TOLERANCE_S:
        faults.append(f"its clock is {clock_off_s:+.0f} s off this machine's")
    version = _deployed(said["files"][VERSION])
    return Row(target.name, HOST, "answers", version=version, lag=lag, faults=tuple(faults))


def _certificate(pem: str | None) -> Lag:
    if pem is None:
        return {}, ["absent"]
    now = datetime.now(UTC)
    try:
        return {"certificate_days": (pki.ends(pem) - now).days}, pki.validity_faults(pem, now)
    except pki.CertificateError as error:
        return {}, [str(error)]


def _deployed(stamp: str | None) -> str | None:
    """The state of the repository from which the host was deployed at last."""
    try:
        found = json.loads(stamp or "")
        commit, changed = found["commit"] or "", "+" if found["changed"] else ""
        return f"{found['version']} {commit[:7]}{changed}".strip()
    except (KeyError, TypeError, ValueError):
        # Never deployed to its end, or edited.
        return None


def _unit(host: str, watched: Watched, said: Mapping[str, Any]) -> Row:
    shown = said["units"][watched.unit]
    running, current = _releases(watched, said)
    health = _health(watched, said)
    lag, late = lag_of(watched, said)
    faults = [
        *_state_faults(watched, said),
        *([f"runs {running}, not {current}, its current release"] if running != current else []),
        *([] if health in ("", "ok") else [health]),
        *late,
    ]
    since = shown["ActiveEnterTimestamp" if _runs(shown) else "InactiveEnterTimestamp"]
    return Row(
        host,
        watched.unit,
        shown["ActiveState"] if shown["LoadState"] == "loaded" else shown["LoadState"],
        datetime.fromtimestamp(int(since.removeprefix("@")), UTC) if since else None,
        int(said["units"][watched.runs].get("NRestarts") or 0),
        running,
        current,
        health,
        lag,
        tuple(faults),
    )


def _runs(shown: Mapping[str, str]) -> bool:
    return shown["ActiveState"] in RUNNING


def _releases(watched: Watched, said: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The release that a unit of ours runs, and its current one."""
    if not watched.current:
        return None, None
    current = _release(said["links"][watched.current])
    if watched.unit != watched.runs:
        # A timer's service takes what is current each time.
        return current, current
    if not _runs(said["units"][watched.unit]):
        return None, None
    # The last line of what it recorded at its start.
    recorded = (said["started"][watched.unit] or "").splitlines()
    return _release(recorded[-1]) if recorded else None, current


def _release(link: str | None) -> str | None:
    return link and link.removeprefix("releases/")


def _state_faults(watched: Watched, said: Mapping[str, Any]) -> Iterator[str]:
    shown, more = said["units"][watched.unit], f"more by: journalctl -u {watched.runs}"
    if shown["LoadState"] != "loaded":
        yield f"is {shown['LoadState']}"
        return
    if not _runs(shown):
        why = f" ({shown['Result']})" if shown["Result"] != "success" else ""
        yield f"is {shown['ActiveState']}{why}; {more}"
    if shown["UnitFileState"] == "disabled":
        yield "is disabled: it does not start with the host"
    if (result := said["units"][watched.runs]["Result"]) != "success" and _runs(shown):
        yield f"its last run ended with {result}; {more}"


def _health(watched: Watched, said: Mapping[str, Any]) -> str:
    """Of the first of its addresses that is not well, otherwise of all."""
    for each in watched.addresses:
        answer = said["addresses"][each.url]
        if fault := answer.get("fault"):
            return f"{each.url} does not answer: {fault}"
        if answer["code"] != 200:
            return f"{each.url} answers {answer['code']}: {answer['body'].strip()}"
    return "ok" if watched.addresses else ""
