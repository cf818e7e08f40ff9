"""Jobs in a real Slurm, without a Prefect server."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.services.flows.jobs import write_programs
from tests.services.flows.processes import pids, wait_gone
from tests.support.jobs import algorithm, job_request
from tests.support.slurm import CLOSED, NODE, OTHER_PARTITION, PARTITION, Slurm, missing, slurm
from tests.support.waiting import wait_for
from tomobeam_contracts.launchers import Limits, SlurmJobs
from tomobeam_flows.launchers import CannotLaunch, Exit, JobRequest
from tomobeam_flows.launchers.slurm import SlurmLauncher
from tomobeam_flows.launchers.slurm_job import SlurmJob

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

WORKER = "compute 1"
CANCEL_LIMIT_S = 10.0

SHOW = """
import json, os, pathlib, stat, sys
path = pathlib.Path(sys.argv[-1])
modes = [stat.S_IMODE(p.stat().st_mode) for p in (path, path.parent)]
trust = pathlib.Path(os.environ["SSL_CERT_FILE"]).read_text()
print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd(), modes, trust]))
"""

# Ends with 7 once its flag is there.
WAIT = """
import pathlib, sys, time
print("waiting", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.05)
print("the end", end="")
sys.exit(7)
"""

MARK = """
import pathlib, sys
pathlib.Path(sys.argv[1]).touch()
"""

EAT = """
import time
eaten = []
while True:
    eaten.append(bytearray(20_000_000))
    time.sleep(0.05)
"""


@dataclass
class Tried:
    """A cluster, job programs, and launchers for them."""

    cluster: Slurm
    folder: Path
    jobs: int = 0

    def launcher(self, worker: str = WORKER, **options: Any) -> SlurmLauncher:
        site = {
            "partitions": (PARTITION, OTHER_PARTITION, CLOSED),
            "reservations": ("beamtime",),
            "shared": self.folder / "shared 100%j",
            "job_bin": self.folder / "bin",
            **options,
        }
        return SlurmLauncher(SlurmJobs(**site), worker, {"EXTRA": "$HOME `id`, x"}, 1.0)

    def request(self, *command: str, gpu: bool = False, **wishes: Any) -> JobRequest:
        self.jobs += 1
        request = job_request(f"job-{self.jobs}", list(command), self.folder / "models", **wishes)
        return replace(request, algorithm=algorithm(command[0], is_gpu_enabled=gpu))


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    folder = tmp_path_factory.mktemp("slurm")
    write_programs(folder / "bin")
    for name, text in {"show": SHOW, "wait": WAIT, "eat": EAT, "mark": MARK}.items():
        path = folder / "bin" / name
        path.write_text(f"#!{sys.executable} -IS\n{text}")
        path.chmod(0o755)
    with slurm() as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(cluster.configuration))
        patch.setenv("TOMOBEAM_PREFECT_AUTH", "verysecret")
        (folder / "ca.crt").write_text("the site's own authority")
        patch.setenv("SSL_CERT_FILE", str(folder / "ca.crt"))
        yield Tried(cluster, folder)


@pytest.fixture(autouse=True)
def _no_job_is_left(tried: Tried) -> Iterator[None]:
    yield
    tried.cluster.end_jobs()


async def _launch(launcher: SlurmLauncher, request: JobRequest) -> SlurmJob:
    return await launcher.start(request, launcher.prepare(request))


async def _until(lines: AsyncIterator[str], part: str) -> str:
    seen = []
    async for line in lines:
        if part in line:
            return line
        seen.append(line)
    raise AssertionError(f"no line with {part!r} in {seen}")


async def _rest(job: SlurmJob, lines: AsyncIterator[str]) -> tuple[list[str], Exit]:
    return [line async for line in lines], await job.wait()


async def _run(launcher: SlurmLauncher, request: JobRequest) -> tuple[list[str], Exit]:
    job = await _launch(launcher, request)
    return await _rest(job, job.lines())


def _limited(wait: Callable[[], Awaitable[Any]], limit_s: float = 150) -> Any:
    async def run() -> Any:
        return await asyncio.wait_for(wait(), limit_s)

    return asyncio.run(run())


def test_lines_come_live_and_the_exit_code_is_told(tried: Tried) -> None:
    flag = tried.folder / "live"

    async def run() -> tuple[list[str], Exit]:
        job = await _launch(tried.launcher(), tried.request("wait", str(flag)))
        lines = job.lines()
        assert "submitted" in await anext(lines)
        await _until(lines, "waiting")
        flag.touch()
        return await _rest(job, lines)

    lines, ended = _limited(run)
    assert lines[-1] == "the end"
    assert ended == Exit(7)


def test_arguments_are_parsed_by_no_shell_and_the_environment_is_clean(tried: Tried) -> None:
    words = ["a b", "$(touch /tmp/x)", "`id`", "*", "'\"", ";ls", "--mem=1", "#SBATCH", "\\"]
    lines, ended = _limited(lambda: _run(tried.launcher(), tried.request("show", *words)))
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
        job = await _launch(minute, tried.request("work"))
        lines = job.lines()
        number = (await _until(lines, "submitted")).split()[2].rstrip(":")
        await _until(lines, "pids")
        await asyncio.to_thread(tried.cluster.ask, "scancel", number)
        return (await _rest(job, lines))[1]

    async def run() -> tuple[Any, ...]:
        return await asyncio.gather(
            _run(minute, tried.request("work", "deaf")),
            _run(small, tried.request("eat")),
            _run(minute, tried.request("fail", "killed")),
            _run(minute, tried.request("not-installed")),
            cancelled_by_others(),
        )

    timed, eaten, killed, absent, cancelled = _limited(run, 200)
    assert "its time ran out" in timed[1].reason
    assert "the memory ran out" in eaten[1].reason
    assert killed[1] == Exit(137)
    assert absent[1] == Exit(127)
    assert "somebody cancelled it in Slurm" in cancelled.reason
    wait_gone(pids(next(line for line in timed[0] if line.startswith("pids"))), 1)


@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_cancel_leaves_nothing(tried: Tried, how: str) -> None:
    async def run() -> tuple[list[int], float]:
        job = await _launch(tried.launcher(), tried.request("work", how))
        lines = job.lines()
        found = pids(await _until(lines, "pids"))
        began = time.monotonic()
        job.cancel()
        _, ended = await _rest(job, lines)
        assert not ended.ok
        return found, time.monotonic() - began

    found, took = _limited(run)
    wait_gone(found, 0.5)
    assert took < CANCEL_LIMIT_S
    assert tried.cluster.jobs() == []


def test_a_job_that_waits_says_why_and_is_cancelled(tried: Tried) -> None:
    launcher = tried.launcher(limits=Limits(memory_mib=3000))

    async def run() -> float:
        first = await _launch(launcher, tried.request("work"))
        await _until(first.lines(), "pids")
        second = await _launch(launcher, tried.request("work"))
        lines = second.lines()
        await _until(lines, "waits in the queue: Resources")
        began = time.monotonic()
        second.cancel()
        rest, ended = await _rest(second, lines)
        took = time.monotonic() - began
        assert not [line for line in rest if "pids" in line]
        assert not ended.ok
        first.cancel()
        await first.wait()
        return took

    assert _limited(run) < CANCEL_LIMIT_S
    assert tried.cluster.jobs() == []


def test_a_closed_partition_is_said(tried: Tried) -> None:
    async def run() -> None:
        job = await _launch(tried.launcher(), tried.request("work", partitions=CLOSED))
        await _until(job.lines(), "waits in the queue: PartitionDown")
        job.cancel()
        await job.wait()

    _limited(run)


def test_one_gpu_has_one_job_at_a_time(tried: Tried) -> None:
    flag = tried.folder / "gpu"

    async def run() -> list[str]:
        first = await _launch(tried.launcher(), tried.request("wait", str(flag), gpu=True))
        lines = first.lines()
        await _until(lines, "waiting")
        second = await _launch(tried.launcher(), tried.request("show", gpu=True))
        shown = second.lines()
        await _until(shown, "waits in the queue: Resources")
        flag.touch()
        await _rest(first, lines)
        return (await _rest(second, shown))[0]

    environment = json.loads(_limited(run)[-1])[1]
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
        _limited(lambda: _launch(launcher, request))


def test_a_failed_node_is_said(tried: Tried) -> None:
    async def run() -> Exit:
        job = await _launch(tried.launcher(), tried.request("work"))
        lines = job.lines()
        await _until(lines, "pids")
        await asyncio.to_thread(tried.cluster.fail_node)
        return (await _rest(job, lines))[1]

    assert _limited(run).reason == f"its node failed ({NODE})"


def test_the_controller_is_away_at_submission(tried: Tried) -> None:
    tried.cluster.stop_controller()
    try:
        with pytest.raises(CannotLaunch, match="Unable to contact slurm controller"):
            _limited(lambda: _launch(tried.launcher(), tried.request("work")))
    finally:
        tried.cluster.start_controller()


def test_the_controller_goes_away_and_comes_back(tried: Tried) -> None:
    flags = tried.folder / "ends while it is away", tried.folder / "outlives that"
    away = "Slurm does not answer and is waited for: Unable to contact"

    async def run() -> None:
        jobs = [await _launch(tried.launcher(), tried.request("wait", str(f))) for f in flags]
        first, second = (job.lines() for job in jobs)
        await asyncio.gather(_until(first, "waiting"), _until(second, "waiting"))
        tried.cluster.stop_controller()
        try:
            await asyncio.gather(_until(first, away), _until(second, away))
            flags[0].touch()
            assert await _rest(jobs[0], first) == (["the end"], Exit(7))
        finally:
            await asyncio.to_thread(tried.cluster.start_controller)
        await _until(second, f"running on {NODE}")
        flags[1].touch()
        assert await _rest(jobs[1], second) == (["the end"], Exit(7))

    _limited(run)


def test_what_a_dead_worker_left_is_ended(tried: Tried) -> None:
    launcher, other = tried.launcher("left behind"), tried.launcher("compute 2")

    async def leave() -> tuple[list[int], list[int]]:
        mine = await _launch(launcher, tried.request("work", "deaf"))
        found = pids(await _until(mine.lines(), "pids"))
        await _launch(launcher, tried.request("work", partitions=CLOSED))
        foreign = await _launch(other, tried.request("work"))
        return found, pids(await _until(foreign.lines(), "pids"))

    found, foreign = _limited(leave)
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
        job = await _launch(tried.launcher("patient"), tried.request("work"))
        return pids(await _until(job.lines(), "pids"))

    found = _limited(leave)
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

    _limited(submit)
    assert len(tried.cluster.jobs()) == 1
    tried.cluster.open_partition(CLOSED, True)
    try:
        wait_for(lambda: not tried.cluster.jobs(), "the job's end")
    finally:
        tried.cluster.open_partition(CLOSED, False)
    assert not flag.exists()
