"""What is not well, and which sentences stand under the table."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.operator.looked import HEALTHZ, Looked
from tests.unit.operator.sites import targets
from tomobeam_deploy import pki
from tomobeam_deploy.hosts.target import CERTIFICATE
from tomobeam_deploy.status.asking import Answer
from tomobeam_deploy.status.reading import HOST, rows
from tomobeam_deploy.status.table import document, text
from tomobeam_deploy.status.watch import watched

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
