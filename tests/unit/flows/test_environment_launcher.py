"""Real processes in environments by path: which one, whose variables, within which limits."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.jobs import job_request
from tomobeam_contracts.launchers import EnvironmentJobs, Limits
from tomobeam_flows.launchers import CannotLaunch, Exit, JobRequest
from tomobeam_flows.launchers.environment import EnvironmentLauncher
from tomobeam_flows.launchers.folders import JobFolders

SHOW = """
import json, os, sys
print(json.dumps([sys.argv, dict(os.environ), sorted(os.sched_getaffinity(0))]))
"""
EAT = """
import subprocess, sys
print("eating", flush=True)
if "child" in sys.argv:
    sys.exit(subprocess.call([sys.argv[0]]))
eaten = bytearray()
while True:
    eaten.extend(bytes(1 << 20))
    eaten = eaten if len(eaten) < 400 << 20 else eaten[:-(1 << 20)]
"""
WAIT = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("waiting", flush=True)
time.sleep(600)
"""


def _launcher(tmp_path: Path, default: str | None = None, **limits: Any) -> EnvironmentLauncher:
    for name in ("dlsia", "other"):
        folder = tmp_path / name / "bin"
        folder.mkdir(parents=True)
        for program, text in {"show": SHOW, "eat": EAT, "wait": WAIT}.items():
            (folder / program).write_text(f"#!{sys.executable} -IS\n{text}")
            (folder / program).chmod(0o755)
    jobs = EnvironmentJobs(
        environments={"dlsia": tmp_path / "dlsia", "other": tmp_path / "other"},
        default=default,
        env_vars=("OMP_NUM_THREADS",),
        limits=Limits(**limits),
    )
    return EnvironmentLauncher(jobs, JobFolders(tmp_path / "state"), {"EXTRA": "1"}, 0.3)


def _request(tmp_path: Path, *command: str, **wishes: Any) -> JobRequest:
    return job_request(f"job-{tmp_path.name}", list(command), tmp_path, **wishes)


def _run(launcher: EnvironmentLauncher, request: JobRequest) -> tuple[list[str], Exit]:
    launcher.check(request.step, request.algorithm)

    async def run() -> tuple[list[str], Exit]:
        job = await launcher.start(request, launcher.prepare(request))
        return [line async for line in job.lines()], await job.wait()

    return asyncio.run(run())


def test_the_named_environment_is_used_as_if_active(tmp_path: Path) -> None:
    variables = {"OMP_NUM_THREADS": "$(id)"}
    request = _request(tmp_path, "show", "a;b", conda_env_name="dlsia", env_vars=variables)
    (shown,), ended = _run(_launcher(tmp_path, cpus=1), request)
    argv, environment, cpus = json.loads(shown)
    assert ended == Exit(0)
    assert argv[:2] == [f"{tmp_path}/dlsia/bin/show", "a;b"]
    assert environment["PATH"].startswith(f"{tmp_path}/dlsia/bin:")
    assert environment["CONDA_PREFIX"] == f"{tmp_path}/dlsia"
    assert (environment["EXTRA"], environment["OMP_NUM_THREADS"]) == ("1", "$(id)")
    assert "verysecret" not in shown
    assert len(cpus) == 1


def test_two_jobs_get_different_processors(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one processor")
    launcher = _launcher(tmp_path, "other", cpus=1)

    async def run() -> list[str]:
        lines = []
        for i in range(2):
            request = _request(tmp_path / str(i), "show")
            job = await launcher.start(request, launcher.prepare(request))
            lines += [line async for line in job.lines()]
            await job.wait()
        return lines

    first, second = (json.loads(line)[2] for line in asyncio.run(run()))
    assert first != second


@pytest.mark.parametrize("command", [("eat",), ("eat", "child")], ids=["itself", "its child"])
def test_a_job_that_takes_too_much_memory(tmp_path: Path, command: tuple[str, ...]) -> None:
    launcher = _launcher(tmp_path, "dlsia", memory_mib=120)
    lines, ended = _run(launcher, _request(tmp_path, *command))
    assert lines[0] == "eating"
    assert not ended.ok
    assert ended.reason.startswith("its memory ran out: it took ")
    assert ended.reason.endswith("the limit is 120 MiB")


def test_a_job_that_takes_too_long(tmp_path: Path) -> None:
    lines, ended = _run(_launcher(tmp_path, "dlsia", max_time_s=1), _request(tmp_path, "wait"))
    assert lines == ["waiting"]
    assert ended == Exit(-9, "ended at its time limit of 1 s")


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({}, "conda_env_name: required; this site has: dlsia, other"),
        ({"conda_env_name": "base"}, "conda_env_name: 'base' is unknown; this site has: dlsia"),
        ({"conda_env_name": "../dlsia"}, "conda_env_name: '../dlsia' is unknown"),
        (
            {"conda_env_name": "dlsia", "env_vars": {"PYTHONPATH": "/tmp"}},
            "env_vars.PYTHONPATH: a client may not set it here; it may set: OMP_NUM_THREADS",
        ),
    ],
)
def test_refused(tmp_path: Path, wishes: dict[str, Any], sentence: str) -> None:
    request = _request(tmp_path, "show", **wishes)
    with pytest.raises(CannotLaunch) as refused:
        _launcher(tmp_path).check(request.step, request.algorithm)
    assert sentence in str(refused.value)


def test_a_command_that_the_environment_lacks(tmp_path: Path) -> None:
    launcher = _launcher(tmp_path, "other")
    with pytest.raises(CannotLaunch, match=f"'train' is not in {tmp_path}/other/bin"):
        launcher.prepare(_request(tmp_path, "train"))


def test_what_a_dead_worker_left_is_recovered(tmp_path: Path) -> None:
    launcher = _launcher(tmp_path, "other")
    request = _request(tmp_path, "show")
    folder = launcher.prepare(request)
    assert launcher.recover() == [(request.job_id, "parent-1")]
    assert not folder.exists()
