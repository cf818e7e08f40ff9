"""A unit that somebody changed by hand: found, put right, and run as it should be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.conftest import LIMIT_S, Operator
from tests.deploy.hosts import at, difference, runs, state

pytestmark = pytest.mark.timeout(LIMIT_S)

HOST, UNIT = "compute2", "tomobeam-worker.service"
FILE = f"/etc/systemd/system/{UNIT}"
OVERRIDE = f"{FILE}.d/override.conf"
BY_HAND = "BY_HAND=yes"
EDIT = f"sed -i '/^.Service.$/a Environment={BY_HAND}' {FILE}"
RESTART = f"systemctl daemon-reload && systemctl restart {UNIT}"
# As `systemctl edit` does it.
OVERRIDE_IT = f"printf '[Service]\\nEnvironment={BY_HAND}\\n' >{OVERRIDE}"


@pytest.fixture
def as_deployed(platform: Operator) -> Iterator[dict]:
    """What the host is before somebody works on it, and after the test again."""
    at(HOST, f"mkdir {FILE}.d")
    yield state(HOST)
    platform.deploy(more=f"--limit {HOST}")
    at(HOST, f"rmdir {FILE}.d")


@pytest.mark.parametrize(
    ("by_hand", "runs_so", "found"),
    [
        (EDIT, False, f"{HOST}: {FILE}: content differs"),
        (f"{EDIT} && {RESTART}", True, f"{HOST}: {FILE}: content differs"),
        (
            f"cp -p {FILE} /root && {EDIT} && {RESTART} && mv /root/{UNIT} {FILE}"
            " && systemctl daemon-reload",
            True,
            f"{HOST}: {UNIT}: was started with something else",
        ),
        (f"{OVERRIDE_IT} && {RESTART}", True, f"{HOST}: overrides of {UNIT}: {OVERRIDE} is there"),
        (
            f"{OVERRIDE_IT} && {RESTART} && rm {OVERRIDE} && systemctl daemon-reload",
            True,
            f"{HOST}: {UNIT}: was started with something else",
        ),
    ],
    ids=["edited", "and restarted", "and edited back", "overridden", "and no more"],
)
def test_a_unit_that_was_changed_by_hand_is_found_and_run_as_it_should_be(
    platform: Operator, as_deployed: dict, by_hand: str, runs_so: bool, found: str
) -> None:
    at(HOST, by_hand)
    assert runs_by_hand() == runs_so
    assert found in platform.drift(HOST)

    platform.deploy(more=f"--limit {HOST}")
    assert not runs_by_hand()
    assert platform.drift(HOST) == []
    assert difference(as_deployed, state(HOST)) == {}


@pytest.mark.parametrize(
    ("host", "unit", "file"),
    [
        # As `systemctl edit --runtime --drop-in=more` does it.
        (HOST, UNIT, f"/run/systemd/system/{UNIT}.d/more.conf"),
        ("web", "caddy.service", "/etc/systemd/system/caddy.service.d/override.conf"),
        (
            "storage",
            "tomobeam-firewall.service",
            "/etc/systemd/system/tomobeam-firewall.service.d/override.conf",
        ),
    ],
    ids=["of ours", "of Debian", "firewall"],
)
def test_whatever_overrides_a_unit_is_found_and_goes(
    platform: Operator, host: str, unit: str, file: str
) -> None:
    folder = file.rpartition("/")[0]
    at(host, f"mkdir -p {folder} && printf '[Service]\\nEnvironment={BY_HAND}\\n' >{file}")
    at(host, f"systemctl daemon-reload && systemctl restart {unit}")
    by_hand = runs(host)[unit]
    assert BY_HAND in environment(host, unit)
    assert platform.drift(host) == [f"{host}: overrides of {unit}: {file} is there"]

    platform.deploy(more=f"--limit {host}")
    assert at(host, f"[ ! -e {file} ] && rmdir --ignore-fail-on-non-empty {folder}") == ""
    assert BY_HAND not in environment(host, unit)
    assert runs(host)[unit] != by_hand
    assert platform.drift(host) == []


def environment(host: str, unit: str) -> str:
    """What a unit gives to its processes, as systemd has read it."""
    return at(host, f"systemctl show --value --property=Environment {unit}")


def runs_by_hand() -> bool:
    """Whether the process that runs was started by what somebody wrote."""
    process = at(HOST, f"systemctl show --value --property=MainPID {UNIT}")
    return BY_HAND in at(HOST, f"cat /proc/{process}/environ").split("\0")
