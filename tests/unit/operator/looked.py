"""Hosts as status sees them: well until a test spoils one."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.unit.operator.sites import targets
from tomobeam_deploy import tls
from tomobeam_deploy.hosts.target import CERTIFICATE, Target
from tomobeam_deploy.status.asking import Answer
from tomobeam_deploy.status.reading import Row, rows
from tomobeam_deploy.status.table import document
from tomobeam_deploy.status.watch import VERSION, Watched, questions, watched

SINCE = 1795576584
RUNS = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "Result": "success",
    "NRestarts": "0",
    "ActiveEnterTimestamp": f"@{SINCE}",
    "InactiveEnterTimestamp": "",
}
HEALTHZ = {
    "http://127.0.0.1:9101/healthz": {
        "ok": True,
        "away": {},
        "waiting": 3,
        "oldest_unhandled_s": 7.25,
        "dead_letters": 1,
    },
    "http://127.0.0.1:8050/healthz": {"ok": True, "feeds": {"jobs": True, "recons": True}},
}
METRICS = "# HELP x\ntomobeam_worker_active_runs 2.0\ntomobeam_worker_active_runs_total 9.0\n"
STAMP = {"version": "0.1.0", "commit": "0123456789abcdef", "changed": []}


def well(target: Target, units: list[Watched]) -> dict[str, Any]:
    """The answer of a host on which all is as it should be."""
    asked = questions(target, units)
    bodies = {url: json.dumps(body) for url, body in HEALTHZ.items()}
    metrics = {each.metrics for each in units if each.metrics}
    return {
        "now": time.time(),
        "units": {unit: dict(RUNS) for unit in asked["units"]},
        "started": dict.fromkeys(asked["units"], "0123  /etc/x\nreleases/0.1.0-old\n"),
        "links": dict.fromkeys(asked["links"], "releases/0.1.0-old"),
        "addresses": {
            url: {"code": 200, "body": METRICS if url in metrics else bodies.get(url, "")}
            for url in asked["addresses"]
        },
        "folders": {path: {"size": 100 * 2**30, "free": 40 * 2**30} for path in asked["folders"]},
        "files": {
            str(CERTIFICATE): target.secret(tls.cert_name(target.name)),
            VERSION: json.dumps(STAMP),
        },
        "connections": {"5432": 12, "61614": 2, "22": 1},
    }


class Looked:
    """A host that is well until a test spoils it."""

    def __init__(self, host: str) -> None:
        self.target = targets()[host]
        self.units = watched(self.target)
        self.said = well(self.target, self.units)
        self.clock_off_s = 0.0

    def rows(self) -> dict[str, Row]:
        answer = Answer(self.said, clock_off_s=self.clock_off_s)
        return {row.unit: row for row in rows(self.target, self.units, answer)}

    def faults(self) -> list[str]:
        return document(self.rows().values())["faults"]
