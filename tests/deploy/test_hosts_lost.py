"""A host, or the database, that goes away in the middle of a deploy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.conftest import LIMIT_S, Operator
from tests.deploy.hosts import at, difference, flow_runs, nodes, states
from tomobeam_deploy import lab

pytestmark = pytest.mark.timeout(LIMIT_S)

COMPUTE = ("compute1", "compute2")
LOST = "compute2"
# The worker stops, and what it reads is gone: both hosts have something to do at several steps.
SPOIL = "systemctl stop tomobeam-worker && rm -r /etc/tomobeam/worker /etc/tomobeam/registry.json"
POSTGRESQL = "postgresql@15-main.service"


@pytest.fixture
def losing(platform: Operator) -> Iterator[Operator]:
    yield platform
    lab.start(LOST)


def test_a_host_that_goes_down_fails_alone_and_is_repaired_by_the_next_run(
    losing: Operator,
) -> None:
    platform = losing
    before = states(COMPUTE)
    for host in COMPUTE:
        at(host, SPOIL)
    with platform.begun(platform.deploying()) as deploy:
        deploy.until("Starting operation: configure base")
        lab.stop(LOST)
        assert deploy.end() == 1
    broke = [line for line in deploy.said.splitlines() if f"[{LOST}]" in line and "broke" in line]
    assert len(broke) == 1, deploy.said
    # The others go on, and their platform works.
    others = [host for host in platform.site.hosts if host != LOST]
    assert "every hop answered" in deploy.said
    assert platform.drift(*others) == []
    [gone] = platform.drift(LOST)
    assert gone.startswith(f"{LOST}: was not looked at: ")

    lab.start(LOST)
    platform.deploy()
    assert platform.drift() == []
    assert difference(before, states(COMPUTE)) == {}


def test_a_database_that_stops_is_said_and_nothing_is_lost(platform: Operator) -> None:
    site = platform.site
    database, storage = site.host_of("postgresql"), site.host_of("tiled")
    kept, ran = nodes(site), set(flow_runs(site))
    at(storage, "systemctl stop tomobeam-tiled")
    with platform.begun(platform.deploying()) as deploy:
        deploy.until("Starting operation: activate .*tiled")
        at(database, f"systemctl stop {POSTGRESQL}")
        assert deploy.end() == 1
    [said] = [line for line in deploy.said.splitlines() if "tomobeam-tiled.service is " in line]
    assert f"[{storage}]" in said
    assert "does not answer: " in said
    # The end of its log follows, and says what it was about.
    assert "ConnectionRefusedError" in deploy.said.partition(said)[2]

    # Nobody has to start it: the next run does.
    platform.deploy()
    assert at(database, f"systemctl is-active {POSTGRESQL}") == "active"
    assert platform.drift() == []
    assert nodes(site) >= kept
    assert set(flow_runs(site)) >= ran
