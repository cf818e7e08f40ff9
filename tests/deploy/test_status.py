"""The table of a running site, and what it says of what is not well; each is put right again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.deploy.conftest import INVENTORY, LIMIT_S, Operator
from tests.deploy.hosts import at, executed
from tests.deploy.test_refusals import AWAY, SUDOERS
from tests.hosts import expected
from tomobeam_deploy.lab.state import SUDO_PASSWORD
from tomobeam_deploy.renderers.systemd import unit_name

pytestmark = pytest.mark.timeout(LIMIT_S)

HOST = "compute2"
WORKER = unit_name("worker")
MENDED_LIMIT_S = 120
STATUS = f"tomobeam-site status {INVENTORY}"


def asked(operator: Operator, *, ok: int | None, host: str | None = HOST) -> dict[str, Any]:
    limit = f" --limit {host}" if host else ""
    return json.loads(operator.run(f"{STATUS} --json{limit}", ok=ok).stdout)


def row(found: dict[str, Any], unit: str) -> dict[str, Any]:
    return next(each for each in found["rows"] if each["unit"] == unit)


@pytest.fixture(autouse=True)
def _well_again(platform: Operator) -> Iterator[None]:
    """What a test spoiled is as it was before the next begins."""
    yield
    deadline = time.monotonic() + MENDED_LIMIT_S
    while not asked(platform, ok=None)["well"]:
        assert time.monotonic() < deadline


@contextmanager
def while_it_is_so(spoil: str, mend: str, host: str = HOST) -> Iterator[None]:
    at(host, spoil)
    try:
        yield
    finally:
        at(host, mend)


def test_all_units_of_all_hosts_are_well(platform: Operator) -> None:
    found = asked(platform, ok=0, host=None)
    assert (found["well"], found["faults"]) == (True, [])
    for host in platform.site.hosts:
        shown = {each["unit"]: each for each in found["rows"] if each["host"] == host}
        assert set(expected.units(platform.site, host)) <= set(shown)
        for process in expected.target_of(platform.site, host).processes.values():
            unit = shown[expected.own_unit(process)]
            assert unit["version"] == unit["current"]
            assert unit["version"] in at(host, f"readlink /opt/tomobeam/{process.name}/current")
            assert unit["health"] == ("" if process.service.every_s else "ok")
    assert row(found, unit_name("ingester"))["lag"].keys() == {
        "oldest_unhandled_s",
        "waiting",
        "dead_letters",
    }
    assert row(found, WORKER)["lag"] == {"jobs": 0}
    assert row(found, "postgresql@15-main.service")["lag"]["connections"] > 0
    clocks = [each["lag"]["clock_off_s"] for each in found["rows"] if "clock_off_s" in each["lag"]]
    assert len(clocks) == len(platform.site.hosts)
    # The hosts share this machine's clock.
    assert all(abs(each) < 1 for each in clocks)


def test_pyinfra_shows_the_same_table(platform: Operator) -> None:
    table = platform.run(STATUS).stdout
    done = platform.run(f"pyinfra -y {INVENTORY} deploy/status.py")
    names = [line.split()[:2] for line in table.splitlines()[1:-2]]
    shown = [line.split()[:2] for line in (done.stdout + done.stderr).splitlines()]
    assert all(name in shown for name in names)
    assert "all is well" in done.stdout + done.stderr


def test_each_host_is_asked_once(platform: Operator) -> None:
    hosts = platform.site.hosts
    assert executed(hosts, lambda: platform.run(STATUS)) == dict.fromkeys(hosts, 1)


def test_a_unit_that_is_stopped_is_told_and_how_to_look_further(platform: Operator) -> None:
    with while_it_is_so(f"systemctl stop {WORKER}", f"systemctl start {WORKER}"):
        found = asked(platform, ok=1)
        table = platform.run(f"{STATUS} --limit {HOST}", ok=1).stdout
    shown = row(found, WORKER)
    assert (shown["state"], shown["version"], shown["lag"]) == ("inactive", None, {})
    stopped, silent = found["faults"]
    assert stopped == f"{HOST}: {WORKER}: is inactive; more by: journalctl -u {WORKER}"
    assert "/healthz does not answer: " in silent
    assert table.splitlines()[-2:] == [stopped, silent]


def test_a_unit_that_was_restarted_by_systemd_shows_how_often(platform: Operator) -> None:
    before = row(asked(platform, ok=0), WORKER)
    at(HOST, f"systemctl kill --signal=KILL {WORKER}")
    at(HOST, f"while ! systemctl is-active --quiet {WORKER}; do :; done")
    after = row(asked(platform, ok=None), WORKER)
    assert after["restarts"] == before["restarts"] + 1
    assert after["since"] > before["since"]
    at(HOST, f"systemctl restart {WORKER}")


def test_a_release_that_does_not_run_yet_is_told(platform: Operator) -> None:
    current = "/opt/tomobeam/worker/current"
    was = at(HOST, f"readlink {current}")
    with while_it_is_so(f"ln -sfn releases/0.0.0-none {current}", f"ln -sfn {was} {current}"):
        found = asked(platform, ok=1)
        table = platform.run(f"{STATUS} --limit {HOST}", ok=1).stdout
    runs = was.removeprefix("releases/")
    assert f"{HOST}: {WORKER}: runs {runs}, not 0.0.0-none, its current release" in found["faults"]
    assert f"{runs}* " in table


def test_a_host_that_does_not_answer_is_a_row(platform: Operator) -> None:
    with while_it_is_so("systemctl stop ssh", "systemctl start ssh"):
        found = asked(platform, ok=1, host=None)
        # pyinfra tells of its own connection besides.
        by_pyinfra = platform.run(f"pyinfra -y {INVENTORY} deploy/status.py", ok=1)
    rows = [each for each in found["rows"] if each["host"] == HOST]
    assert [each["state"] for each in rows] == ["does not answer"]
    [fault] = [each for each in found["faults"] if each.startswith(f"{HOST}: ")]
    assert fault.startswith(f"{HOST}: does not answer: ")
    assert "Connection refused" in fault
    assert fault in by_pyinfra.stdout + by_pyinfra.stderr
    assert "not all is well" in by_pyinfra.stderr
    assert "Traceback" not in by_pyinfra.stderr


def test_a_host_whose_sudo_wants_a_password_says_so_and_takes_it(platform: Operator) -> None:
    def answer(option: str = "", typed: str = "") -> tuple[str, str]:
        done = platform.run(f"{STATUS} --json --limit {HOST} {option}", ok=None, typed=typed)
        shown = json.loads(done.stdout)["rows"][0]
        return shown["state"], shown["health"]

    option, password = "--same-sudo-password", SUDO_PASSWORD.read_text(encoding="utf-8")
    # Where sudo asks for none, nothing becomes of it.
    assert answer(option, password) == ("answers", "")
    with while_it_is_so(f"mv {SUDOERS} {AWAY}", f"mv {AWAY} {SUDOERS}"):
        silent = "sudo wants a password; give it: --same-sudo-password"
        assert answer() == ("does not answer", silent)
        state, why = answer(option, "a guess\n")
        assert (state, "incorrect password" in why) == ("does not answer", True)
        assert answer(option, password) == ("answers", "")
