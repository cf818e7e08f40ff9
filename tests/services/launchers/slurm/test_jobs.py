"""Jobs in a real Slurm: what they see, how they end, why they wait or are refused."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.services.flows.processes import pids, wait_gone
from tests.services.launchers.slurm.tried import Tried, launch, limited, run_job, the_rest, until
from tests.support.slurm import CLOSED
from tomobeam_contracts.launchers import Limits
from tomobeam_flows.launchers import CannotLaunch, Exit

CANCEL_LIMIT_S = 10.0


def test_lines_come_live_and_the_exit_code_is_told(tried: Tried) -> None:
    flag = tried.folder / "live"

    async def run() -> tuple[list[str], Exit]:
        job = await launch(tried.launcher(), tried.request("wait", str(flag)))
        lines = job.lines()
        assert "submitted" in await anext(lines)
        await until(lines, "waiting")
        flag.touch()
        return await the_rest(job, lines)

    lines, ended = limited(run)
    assert lines[-1] == "the end"
    assert ended == Exit(7)


def test_arguments_are_parsed_by_no_shell_and_the_environment_is_clean(tried: Tried) -> None:
    words = ["a b", "$(touch /tmp/x)", "`id`", "*", "'\"", ";ls", "--mem=1", "#SBATCH", "\\"]
    lines, ended = limited(lambda: run_job(tried.launcher(), tried.request("show", *words)))
    assert ended.ok, lines
    argv, environment, folder, modes, trust = json.loads(lines[-1])
    assert argv[:-1] == words
    assert modes == [0o600, 0o700]
    assert trust == "the site's own authority"
    assert environment["EXTRA"] == "$HOME `id`, x"
    assert environment["HOME"] == environment["TMPDIR"] == folder
    assert Path(folder).parent == Path(argv[-1]).parent
    ours = {name for name in environment if not name.startswith("SLURM")}
    assert ours == {
        "EXTRA", "HOME", "LANG", "PATH", "PYTHONUNBUFFERED", "TMPDIR", "TOMOBEAM_JOB_ID",
        "SSL_CERT_FILE", "ENVIRONMENT", "HOSTNAME", "OLDPWD", "PWD",
    }  # fmt: skip
    assert "verysecret" not in "".join(lines)


def test_reasons_are_told_apart(tried: Tried) -> None:
    minute = tried.launcher(limits=Limits(max_time_s=60, memory_mib=500))
    small = tried.launcher(limits=Limits(memory_mib=60))

    async def cancelled_by_others() -> Exit:
        job = await launch(minute, tried.request("work"))
        lines = job.lines()
        number = (await until(lines, "submitted")).split()[2].rstrip(":")
        await until(lines, "pids")
        await asyncio.to_thread(tried.cluster.ask, "scancel", number)
        return (await the_rest(job, lines))[1]

    async def run() -> tuple[Any, ...]:
        return await asyncio.gather(
            run_job(minute, tried.request("work", "deaf")),
            run_job(small, tried.request("eat")),
            run_job(minute, tried.request("fail", "killed")),
            run_job(minute, tried.request("not-installed")),
            cancelled_by_others(),
        )

    timed, eaten, killed, absent, cancelled = limited(run, 200)
    assert "its time ran out" in timed[1].reason
    assert "the memory ran out" in eaten[1].reason
    assert killed[1] == Exit(137)
    assert absent[1] == Exit(127)
    assert "somebody cancelled it in Slurm" in cancelled.reason
    wait_gone(pids(next(line for line in timed[0] if line.startswith("pids"))), 1)


@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_cancel_leaves_nothing(tried: Tried, how: str) -> None:
    async def run() -> tuple[list[int], float]:
        job = await launch(tried.launcher(), tried.request("work", how))
        lines = job.lines()
        found = pids(await until(lines, "pids"))
        began = time.monotonic()
        job.cancel()
        _, ended = await the_rest(job, lines)
        assert not ended.ok
        return found, time.monotonic() - began

    found, took = limited(run)
    wait_gone(found, 0.5)
    assert took < CANCEL_LIMIT_S
    assert tried.cluster.jobs() == []


def test_a_job_that_waits_says_why_and_is_cancelled(tried: Tried) -> None:
    launcher = tried.launcher(limits=Limits(memory_mib=3000))

    async def run() -> float:
        first = await launch(launcher, tried.request("work"))
        await until(first.lines(), "pids")
        second = await launch(launcher, tried.request("work"))
        lines = second.lines()
        await until(lines, "waits in the queue: Resources")
        began = time.monotonic()
        second.cancel()
        rest, ended = await the_rest(second, lines)
        took = time.monotonic() - began
        assert not [line for line in rest if "pids" in line]
        assert not ended.ok
        first.cancel()
        await first.wait()
        return took

    assert limited(run) < CANCEL_LIMIT_S
    assert tried.cluster.jobs() == []


def test_a_closed_partition_is_said(tried: Tried) -> None:
    async def run() -> None:
        job = await launch(tried.launcher(), tried.request("work", partitions=CLOSED))
        await until(job.lines(), "waits in the queue: PartitionDown")
        job.cancel()
        await job.wait()

    limited(run)


def test_one_gpu_has_one_job_at_a_time(tried: Tried) -> None:
    flag = tried.folder / "gpu"

    async def run() -> list[str]:
        first = await launch(tried.launcher(), tried.request("wait", str(flag), gpu=True))
        lines = first.lines()
        await until(lines, "waiting")
        second = await launch(tried.launcher(), tried.request("show", gpu=True))
        shown = second.lines()
        await until(shown, "waits in the queue: Resources")
        flag.touch()
        await the_rest(first, lines)
        return (await the_rest(second, shown))[0]

    environment = json.loads(limited(run)[-1])[1]
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"


@pytest.mark.parametrize(
    ("wishes", "options", "said"),
    [
        ({"reservations": "beamtime"}, {}, "reservation is invalid"),
        ({}, {"limits": Limits(memory_mib=10**6)}, "Memory specification can not be satisfied"),
        ({}, {"partitions": ("nowhere",)}, "invalid partition specified: nowhere"),
    ],
)
def test_a_refusal_has_slurms_own_reason(
    tried: Tried, wishes: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    launcher, request = tried.launcher(**options), tried.request("work", **wishes)
    launcher.check(request.step, request.algorithm)
    with pytest.raises(CannotLaunch, match=f"Slurm did not take the job: .*{said}"):
        limited(lambda: launch(launcher, request))
