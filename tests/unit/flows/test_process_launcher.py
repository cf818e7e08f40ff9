"""Real processes, no server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.jobs import job_request
from tomobeam_flows.launchers import JOB_MARKER, CannotLaunch, JobRequest
from tomobeam_flows.launchers.folders import JobFolders
from tomobeam_flows.launchers.process import KEEPER, ProcessJob, ProcessLauncher

TREE = """
import signal, subprocess, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
away = subprocess.Popen(["sleep", "600"], start_new_session=True)
stay = subprocess.Popen(["sleep", "600"])
print(away.pid, stay.pid, flush=True)
if "leave" not in sys.argv:
    time.sleep(600)
"""

SHOW = """
import json, os, sys
print(json.dumps([sys.argv, dict(os.environ), os.getcwd()]), flush=True)
print("end", file=sys.stderr)
sys.exit(7)
"""


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable} -IS\n{text}")
    path.chmod(0o755)


def _request(tmp_path: Path, *command: str) -> JobRequest:
    return job_request(f"job-{tmp_path.name}", list(command), tmp_path)


def _launcher(tmp_path: Path, grace_s: float = 0.3) -> ProcessLauncher:
    return ProcessLauncher(
        JobFolders(tmp_path / "state"), tmp_path / "bin", {"EXTRA": "1"}, grace_s
    )


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _start(tmp_path: Path, *command: str) -> ProcessJob:
    launcher, request = _launcher(tmp_path), _request(tmp_path, *command)
    return await launcher.start(request, launcher.prepare(request))


def test_output_exit_code_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/the-ca-of-the-site.crt")
    monkeypatch.setenv("TOMOBEAM_PREFECT_AUTH", "verysecret")
    _program(tmp_path / "bin", "show", SHOW)

    async def run() -> tuple[list[str], int]:
        job = await _start(tmp_path, "show", "train")
        return [line async for line in job.lines()], (await job.wait()).code

    (shown, end), code = asyncio.run(run())
    argv, environment, folder = json.loads(shown)
    assert (end, code) == ("end", 7)
    assert argv[1] == "train"
    assert argv[2].endswith("params.yaml")
    assert environment["EXTRA"] == "1"
    assert environment["SSL_CERT_FILE"] == "/etc/the-ca-of-the-site.crt"
    assert environment[JOB_MARKER] == f"job-{tmp_path.name}"
    assert "verysecret" not in shown
    assert Path(folder).parent == Path(argv[2]).parent


@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_cancel_ends_the_whole_tree(tmp_path: Path, how: str) -> None:
    _program(tmp_path / "bin", "tree", TREE)

    async def run() -> tuple[list[int], int]:
        job = await _start(tmp_path, "tree", how)
        pids: list[int] = []
        async for line in job.lines():
            pids = [int(pid) for pid in line.split()]
            job.cancel()
        return pids, (await job.wait()).code

    pids, code = asyncio.run(run())
    assert len(pids) == 2
    assert not any(_alive(pid) for pid in pids)
    assert code == -(signal.SIGKILL if how == "deaf" else signal.SIGTERM)


def test_what_a_job_leaves_behind_is_ended(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "tree", TREE)

    async def run() -> list[int]:
        job = await _start(tmp_path, "tree", "leave")
        lines = [line async for line in job.lines()]
        assert (await job.wait()).ok
        return [int(pid) for pid in lines[0].split()]

    assert not any(_alive(pid) for pid in asyncio.run(run()))


def test_a_dead_worker_takes_the_tree_with_it(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "tree", TREE)
    control, worker = os.pipe()
    command = [sys.executable, "-IS", KEEPER, "0.2", "", tmp_path / "bin" / "tree", "deaf"]
    with subprocess.Popen(command, stdin=control, stdout=subprocess.PIPE, text=True) as keeper:
        os.close(control)
        assert keeper.stdout is not None
        pids = [int(pid) for pid in keeper.stdout.readline().split()]
        os.close(worker)  # What the kernel does when the worker is killed.
        keeper.wait(timeout=20)
    assert not any(_alive(pid) for pid in pids)


def test_a_killed_keeper_leaves_nothing(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "tree", TREE)

    async def run() -> tuple[list[int], int]:
        job = await _start(tmp_path, "tree", "deaf")
        pids: list[int] = []
        async for line in job.lines():
            pids = [int(pid) for pid in line.split()]
            job._process.kill()
        return pids, (await job.wait()).code

    pids, code = asyncio.run(run())
    assert code == -signal.SIGKILL
    assert not any(_alive(pid) for pid in pids)


def test_leftovers_are_found_by_their_marker(tmp_path: Path) -> None:
    launcher = _launcher(tmp_path)
    _program(tmp_path / "bin", "tree", TREE)
    request = _request(tmp_path, "tree")
    folder = launcher.prepare(request)
    environment = {JOB_MARKER: request.job_id, "PATH": os.environ["PATH"]}
    with subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True) as orphan:
        assert launcher.recover() == [(request.job_id, "parent-1")]
        assert not _alive(orphan.pid)
    assert not folder.exists()


@pytest.mark.parametrize("command", ["../bin/tree", "/bin/sh", "nothing", ".."])
def test_only_commands_of_the_folder(tmp_path: Path, command: str) -> None:
    _program(tmp_path / "bin", "tree", TREE)
    with pytest.raises(CannotLaunch):
        _launcher(tmp_path).prepare(_request(tmp_path, command))


def test_a_missing_interpreter_is_said(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / "odd"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)

    async def run() -> tuple[list[str], int]:
        job = await _start(tmp_path, "odd")
        return [line async for line in job.lines()], (await job.wait()).code

    lines, code = asyncio.run(run())
    assert code == 127
    assert "cannot start" in lines[0]
