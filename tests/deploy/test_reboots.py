"""Hosts that start again, in whatever order: everything comes back by itself, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.deploy.conftest import LIMIT_S, Operator
from tests.deploy.hosts import at, flow_runs, nodes, rows
from tests.support.waiting import wait_for
from tomobeam_contracts.destinations import CANARY
from tomobeam_deploy import lab
from tomobeam_deploy.site import Group

pytestmark = pytest.mark.timeout(LIMIT_S)

# From the moment at which one can log in to all hosts again.
BACK_LIMIT_S = 180
ARRIVAL_LIMIT_S = 120
HOP_LIMIT_S = 30
UNFINISHED = ("RUNNING", "PENDING", "SCHEDULED", "CANCELLING")
OWNER = "tomobeam-reconstruction"


def at_once(do: Callable[[str], None], hosts: Iterable[str]) -> None:
    hosts = list(hosts)
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(do, hosts))


def comes_back(platform: Operator) -> None:
    """Every unit is active with what was configured, and every address answers; then a canary."""
    wait_for(lambda: not platform.drift(), "all hosts to be as deployed", BACK_LIMIT_S)
    flown = platform.run(f"tomobeam-site canary {platform.inventory}")
    assert "every hop answered" in flown.stdout
    assert flow_runs(platform.site, *UNFINISHED) == []
    assert platform.drift() == []


@pytest.mark.parametrize("order", [1, -1], ids=["in their order", "the other way round"])
def test_hosts_are_rebooted_one_after_the_other(platform: Operator, order: int) -> None:
    kept, ran = nodes(platform.site), set(flow_runs(platform.site))
    for host in list(platform.site.hosts)[::order]:
        lab.reboot(host)
    comes_back(platform)
    assert nodes(platform.site) >= kept
    assert set(flow_runs(platform.site)) >= ran


def test_all_hosts_are_rebooted_at_once(platform: Operator) -> None:
    kept, ran = nodes(platform.site), set(flow_runs(platform.site))
    at_once(lab.reboot, platform.site.hosts)
    comes_back(platform)
    assert nodes(platform.site) >= kept
    assert set(flow_runs(platform.site)) >= ran


def test_a_power_cut_in_the_middle_of_a_job_leaves_no_run_that_never_ends(
    platform: Operator,
) -> None:
    site = platform.site
    kept, ran = nodes(site), set(flow_runs(site))
    flight = f"tomobeam-site canary {platform.inventory} --hop-limit {HOP_LIMIT_S}"
    with platform.begun(flight) as canary:
        wait_for(lambda: flow_runs(site, "RUNNING"), "a job that runs", HOP_LIMIT_S * 3)
        at_once(lab.stop, site.hosts)
        at_once(lab.start, site.hosts)
        assert canary.end() == 1, canary.said
    cut = set(flow_runs(site)) - ran
    assert cut
    ended = "all runs of before the cut to have ended"
    wait_for(lambda: not cut & set(flow_runs(site, *UNFINISHED)), ended, BACK_LIMIT_S)
    comes_back(platform)
    assert nodes(site) >= kept
    assert set(flow_runs(site)) >= ran | cut


def test_a_scan_that_was_announced_while_the_storage_host_was_down_arrives(
    platform: Operator,
) -> None:
    site = platform.site
    storage, [recon] = site.host_of("tiled"), site.members(Group.RECONSTRUCTION)
    folder = site.path_on(recon, site.data.filestore)
    name = f"announced-{len(nodes(site))}"
    scan = folder / name / f"{CANARY}_processed.nxs"
    # The canary's, under a name of its own.
    own = f"cp -rp {folder / CANARY} {folder / name}"
    lab.stop(storage)
    try:
        at(recon, f"{own} && runuser -u {OWNER} -- tomobeam-notify --scan {name} {scan}")
    finally:
        lab.start(storage)
    arrived = f"select 1 from nodes where metadata->>'scan' = '{name}'"
    wait_for(lambda: rows(site, "tiled_catalog", arrived), f"{name} in Tiled", ARRIVAL_LIMIT_S)
    comes_back(platform)
