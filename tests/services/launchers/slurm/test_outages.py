"""Jobs in Slurm whose node, controller or worker fails them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.services.flows.processes import pids, wait_gone
from tests.services.launchers.slurm.tried import Tried, launch, limited, the_rest, until
from tests.support.slurm import CLOSED, NODE
from tests.support.waiting import wait_for
from tomobeam_flows.launchers import CannotLaunch, Exit


def test_a_failed_node_is_said(tried: Tried) -> None:
    async def run() -> Exit:
        job = await launch(tried.launcher(), tried.request("work"))
        lines = job.lines()
        await until(lines, "pids")
        await asyncio.to_thread(tried.cluster.fail_node)
        return (await the_rest(job, lines))[1]

    assert limited(run).reason == f"its node failed ({NODE})"


def test_the_controller_is_away_at_submission(tried: Tried) -> None:
    tried.cluster.stop_controller()
    try:
        with pytest.raises(CannotLaunch, match="Unable to contact slurm controller"):
            limited(lambda: launch(tried.launcher(), tried.request("work")))
    finally:
        tried.cluster.start_controller()


def test_the_controller_goes_away_and_comes_back(tried: Tried) -> None:
    flags = tried.folder / "ends while it is away", tried.folder / "outlives that"
    away = "Slurm does not answer and is waited for: Unable to contact"

    async def run() -> None:
        jobs = [await launch(tried.launcher(), tried.request("wait", str(f))) for f in flags]
        first, second = (job.lines() for job in jobs)
        await asyncio.gather(until(first, "waiting"), until(second, "waiting"))
        tried.cluster.stop_controller()
        try:
            await asyncio.gather(until(first, away), until(second, away))
            flags[0].touch()
            assert await the_rest(jobs[0], first) == (["the end"], Exit(7))
        finally:
            await asyncio.to_thread(tried.cluster.start_controller)
        await until(second, f"running on {NODE}")
        flags[1].touch()
        assert await the_rest(jobs[1], second) == (["the end"], Exit(7))

    limited(run)


def test_what_a_dead_worker_left_is_ended(tried: Tried) -> None:
    launcher, other = tried.launcher("left behind"), tried.launcher("compute 2")

    async def leave() -> tuple[list[int], list[int]]:
        mine = await launch(launcher, tried.request("work", "deaf"))
        found = pids(await until(mine.lines(), "pids"))
        await launch(launcher, tried.request("work", partitions=CLOSED))
        foreign = await launch(other, tried.request("work"))
        return found, pids(await until(foreign.lines(), "pids"))

    found, foreign = limited(leave)
    assert len(tried.cluster.jobs()) == 3
    names = sorted(f"job-{n}" for n in (tried.jobs - 2, tried.jobs - 1))
    again = tried.launcher("left behind")
    assert sorted(again.recover()) == [(name, "parent-1") for name in names]
    wait_gone(found, 0.5)
    assert [job.split(" ", 1)[1] for job in tried.cluster.jobs()] == [
        f"tomobeam/compute 2/job-{tried.jobs}"
    ]
    with pytest.raises(AssertionError):
        wait_gone(foreign, 0)
    assert list((tried.folder / "shared 100%j" / "left behind").iterdir()) == []
    assert again.recover() == []


def test_recovery_waits_for_the_controller(tried: Tried) -> None:
    async def leave() -> list[int]:
        job = await launch(tried.launcher("patient"), tried.request("work"))
        return pids(await until(job.lines(), "pids"))

    found = limited(leave)
    tried.cluster.stop_controller()
    try:
        with ThreadPoolExecutor() as pool:
            recovery = pool.submit(tried.launcher("patient").recover)
            with pytest.raises(TimeoutError):
                recovery.result(timeout=2)
            tried.cluster.start_controller()
            assert recovery.result(timeout=60) == [(f"job-{tried.jobs}", "parent-1")]
    finally:
        if not tried.cluster.answers():
            tried.cluster.start_controller()
    wait_gone(found, 0.5)
    assert tried.cluster.jobs() == []


def test_a_job_whose_folder_is_gone_when_it_begins_does_nothing(tried: Tried) -> None:
    """What happens where nobody knows whether Slurm took a job."""
    flag = tried.folder / "must not be there"
    launcher = tried.launcher()

    async def submit() -> None:
        request = tried.request("mark", str(flag), partitions=CLOSED)
        folder = launcher.prepare(request)
        await launcher.start(request, folder)
        launcher.clean_up(folder)

    limited(submit)
    assert len(tried.cluster.jobs()) == 1
    tried.cluster.open_partition(CLOSED, True)
    try:
        wait_for(lambda: not tried.cluster.jobs(), "the job's end")
    finally:
        tried.cluster.open_partition(CLOSED, False)
    assert not flag.exists()
