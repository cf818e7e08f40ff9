"""What is watched of a site, and what the table tells while all is well."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.unit.operator.looked import SINCE, STAMP, Looked
from tests.unit.operator.sites import OF_HOSTS, targets
from tomobeam_deploy.status.reading import HOST, Row
from tomobeam_deploy.status.table import document, text
from tomobeam_deploy.status.watch import VERSION, questions, watched


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
