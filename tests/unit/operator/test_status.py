"""What the table says of a site, and which sentences stand under it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.operator.sites import OF_HOSTS, targets
from tomobeam_deploy import pki, tls
from tomobeam_deploy.hosts.target import CERTIFICATE, Target
from tomobeam_deploy.status.asking import Answer
from tomobeam_deploy.status.reading import HOST, Row, rows
from tomobeam_deploy.status.table import document, text
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


@pytest.mark.parametrize("site", OF_HOSTS)
def test_every_service_and_what_it_stands_on_is_watched_once(site: str) -> None:
    for host, target in targets(site).items():
        units = [each.unit for each in watched(target)]
        assert len(units) == len(set(units))
        named = {each.process.name for each in watched(target) if each.process}
        assert named == set(target.processes), host
        assert {"tomobeam-firewall.service", "systemd-journald.service", "ssh.service"} < set(units)
        ours = [each.process is not None for each in watched(target)]
        assert ours == sorted(ours, reverse=True)


def test_what_answers_is_asked_and_whose_it_is() -> None:
    control = {each.unit: each for each in watched(targets()["control"])}
    assert [a.url for a in control["tomobeam-prefect-server.service"].addresses] == [
        "http://127.0.0.1:4200/prefect/api/health"
    ]
    assert "postgresql@15-main.service" in control
    recon = {each.unit: each for each in watched(targets()["recon"])}
    timer = recon["tomobeam-reconstruction.timer"]
    assert timer.runs == "tomobeam-reconstruction.service"
    asked = questions(targets()["recon"], recon.values())
    assert {timer.unit, timer.runs} <= set(asked["units"])
    assert asked["folders"] == ["/var/lib/tomobeam", "/mnt/beamline"]


@pytest.mark.parametrize("host", ["control", "storage", "compute1", "web", "recon"])
def test_a_host_that_is_well_has_no_faults(host: str) -> None:
    looked = Looked(host)
    found = document(looked.rows().values())
    assert (found["well"], found["faults"]) == (True, [])
    assert len(found["rows"]) == 1 + len(looked.units)
    assert json.loads(json.dumps(found)) == found
    since = datetime.fromtimestamp(SINCE, UTC).isoformat()
    assert {row["since"] for row in found["rows"] if row["unit"] != HOST} == {since}


def test_how_far_services_are_behind_is_told() -> None:
    lags = {
        unit: row.lag
        for host in ("control", "storage", "compute1", "web")
        for unit, row in Looked(host).rows().items()
        if unit != HOST and row.lag
    }
    assert lags == {
        "tomobeam-broker.service": {"connections": 2},
        "postgresql@15-main.service": {"connections": 12},
        "tomobeam-ingester.service": {
            "oldest_unhandled_s": 7.25,
            "waiting": 3,
            "dead_letters": 1,
        },
        "tomobeam-worker.service": {"jobs": 2},
    }


def test_a_host_tells_its_disks_certificate_clock_and_deploy() -> None:
    looked = Looked("storage")
    looked.clock_off_s = 1.23456
    row = looked.rows()[HOST]
    days = row.lag["certificate_days"]
    assert 800 < days < 826
    assert row.lag == {
        "state_free_bytes": 40 * 2**30,
        "store_free_bytes": 40 * 2**30,
        "certificate_days": days,
        "clock_off_s": 1.235,
    }
    assert row.version == "0.1.0 0123456"
    looked.said["files"][VERSION] = json.dumps(STAMP | {"changed": ["x"]})
    assert looked.rows()[HOST].version == "0.1.0 0123456+"
    looked.said["files"][VERSION] = json.dumps(STAMP | {"commit": None})
    assert looked.rows()[HOST].version == "0.1.0"
    for other in (None, "", "[]", "{}"):
        looked.said["files"][VERSION] = other
        assert looked.rows()[HOST].version is None
    assert looked.faults() == []


WORKER = "tomobeam-worker.service"
MORE = f"more by: journalctl -u {WORKER}"


@pytest.mark.parametrize(
    ("shown", "state", "faults"),
    [
        (
            {"ActiveState": "failed", "Result": "exit-code", "NRestarts": "5"},
            "failed",
            [f"is failed (exit-code); {MORE}"],
        ),
        ({"ActiveState": "activating"}, "activating", [f"is activating; {MORE}"]),
        (
            {"UnitFileState": "disabled"},
            "active",
            ["is disabled: it does not start with the host"],
        ),
        ({"LoadState": "not-found", "ActiveState": "inactive"}, "not-found", ["is not-found"]),
        ({"LoadState": "masked", "ActiveState": "inactive"}, "masked", ["is masked"]),
        ({"ActiveState": "reloading"}, "reloading", []),
        ({"NRestarts": "5"}, "active", []),
    ],
)
def test_a_unit_that_is_not_well_is_said_to_be_so(
    shown: dict[str, str], state: str, faults: list[str]
) -> None:
    looked = Looked("compute1")
    looked.said["units"][WORKER] |= shown
    row = looked.rows()[WORKER]
    assert (row.state, row.faults) == (state, tuple(faults))
    assert row.restarts == int(shown.get("NRestarts", 0))
    assert looked.faults() == [f"compute1: {WORKER}: {fault}" for fault in faults]


def test_what_a_timer_starts_is_watched_too() -> None:
    looked = Looked("recon")
    service = "tomobeam-reconstruction.service"
    looked.said["units"][service] |= {"ActiveState": "failed", "Result": "exit-code"}
    assert looked.faults() == [
        "recon: tomobeam-reconstruction.timer: its last run ended with exit-code; "
        f"more by: journalctl -u {service}"
    ]


def test_a_release_that_runs_and_is_not_current_shows() -> None:
    looked = Looked("compute1")
    looked.said["links"]["/opt/tomobeam/worker/current"] = "releases/0.1.0-new"
    row = looked.rows()[WORKER]
    assert (row.version, row.current) == ("0.1.0-old", "0.1.0-new")
    assert row.faults == ("runs 0.1.0-old, not 0.1.0-new, its current release",)
    assert "0.1.0-old* " in text(document([row]))
    # Nobody knows what a unit runs that recorded nothing.
    looked.said["started"][WORKER] = None
    assert looked.rows()[WORKER].version is None
    # What does not run runs no release, and is at fault for that alone.
    looked.said["units"][WORKER]["ActiveState"] = "inactive"
    [fault] = looked.rows()[WORKER].faults
    assert fault.startswith("is inactive")


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        ({"fault": "refused"}, "http://127.0.0.1:9102/healthz does not answer: refused"),
        (
            {"code": 503, "body": '{"reason": "waiting for Prefect"}\n'},
            'http://127.0.0.1:9102/healthz answers 503: {"reason": "waiting for Prefect"}',
        ),
    ],
)
def test_an_address_that_is_not_well_is_told(answer: dict[str, Any], health: str) -> None:
    looked = Looked("compute1")
    looked.said["addresses"]["http://127.0.0.1:9102/healthz"] = answer
    looked.said["addresses"]["http://127.0.0.1:9102/metrics"] = {"fault": "refused"}
    row = looked.rows()[WORKER]
    assert (row.health, row.faults, row.lag) == (health, (health,), {})
    shown = text(document([row]))
    assert "see below" in shown.splitlines()[1]
    assert shown.splitlines()[-1] == f"compute1: {WORKER}: {health}"


def test_a_partner_that_is_away_is_told_by_who_misses_it() -> None:
    storage, web = Looked("storage"), Looked("web")
    report = dict(HEALTHZ["http://127.0.0.1:9101/healthz"])
    report["away"] = {"tiled": {"why": "refused", "for_s": 12.4}}
    storage.said["addresses"]["http://127.0.0.1:9101/healthz"]["body"] = json.dumps(report)
    feeds = {"ok": True, "feeds": {"jobs": False, "recons": True}}
    web.said["addresses"]["http://127.0.0.1:8050/healthz"]["body"] = json.dumps(feeds)
    assert storage.faults() == [
        "storage: tomobeam-ingester.service: tiled is away for 12 s: refused"
    ]
    assert web.faults() == ["web: tomobeam-webapp.service: hears nothing of new jobs"]


def test_an_answer_of_another_kind_is_no_lag() -> None:
    looked = Looked("storage")
    looked.said["addresses"]["http://127.0.0.1:9101/healthz"]["body"] = "<html>"
    assert looked.rows()["tomobeam-ingester.service"].lag == {}


def test_a_disk_that_is_nearly_full_or_away_is_told() -> None:
    looked = Looked("storage")
    looked.said["folders"]["/var/lib/tomobeam"]["free"] = 3 * 2**30
    looked.said["folders"]["/srv/filestore"] = {"fault": "did not answer in 6 s"}
    assert looked.faults() == [
        "storage: /var/lib/tomobeam: only 3% of its disk is free",
        "storage: /srv/filestore: did not answer in 6 s",
    ]
    assert "store_free_bytes" not in looked.rows()[HOST].lag


@pytest.mark.parametrize(
    ("age_days", "days", "said"),
    [(825 - 10, 9, "ends in "), (825 + 10, -11, "expired on ")],
)
def test_a_certificate_that_ends_soon_or_ended_is_told(age_days: int, days: int, said: str) -> None:
    looked = Looked("web")
    made = datetime.now(UTC) - timedelta(days=age_days)
    authority = pki.new_ca("lab", made)
    looked.said["files"][str(CERTIFICATE)] = pki.issue(authority, ["web"], made).cert
    assert abs(looked.rows()[HOST].lag["certificate_days"] - days) <= 1
    [fault] = looked.faults()
    assert fault.startswith(f"web: {CERTIFICATE}: {said}")
    looked.said["files"][str(CERTIFICATE)] = None
    assert looked.faults() == [f"web: {CERTIFICATE}: absent"]
    looked.said["files"][str(CERTIFICATE)] = "-----BEGIN"
    [fault] = looked.faults()
    assert fault.startswith(f"web: {CERTIFICATE}: ")


def test_a_clock_that_is_far_off_is_told() -> None:
    looked = Looked("web")
    looked.clock_off_s = -86400
    assert looked.faults() == ["web: its clock is -86400 s off this machine's"]


def test_a_host_that_does_not_answer_is_a_row() -> None:
    target = targets()["web"]
    [row] = rows(target, watched(target), Answer(fault="Connection timed out"))
    found = document([row])
    assert found["faults"] == ["web: does not answer: Connection timed out"]
    table = text(found).splitlines()
    assert table[1].split() == ["web", "the", "host", "does", "not", "answer", "see", "below"]


def test_the_table_names_a_host_once_and_fits_its_width() -> None:
    found = document(row for host in ("control", "storage") for row in Looked(host).rows().values())
    lines = text(found, width=120).splitlines()
    assert max(map(len, lines)) <= 120
    assert [line.split()[0] for line in lines if line[:1].strip()] == [
        "host",
        "control",
        "storage",
        "all",
    ]
    assert lines[-1] == "all is well"
    [ingester] = [line for line in lines if "tomobeam-ingester" in line]
    assert "oldest 7 s, waiting 3," in ingester


def test_a_start_of_another_day_is_shown_with_its_day() -> None:
    today = datetime.now(UTC)
    row = Row("web", "x.service", "active", since=today, restarts=3)
    assert f"active since {today.astimezone():%H:%M}, 3 restarts" in text(document([row]))
    old = Row("web", "x.service", "failed", since=datetime(2026, 3, 4, 5, 6).astimezone())
    assert "failed since 04 Mar 05:06" in text(document([old]))
