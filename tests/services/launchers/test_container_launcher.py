"""Jobs in real containers of podman, without a Prefect server: as root, and rootless."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.container_jobs import PROGRAMS
from tests.support.containers import IMAGE, TAG, Podman, missing, podman
from tests.support.jobs import algorithm, job_request
from tests.support.waiting import wait_for
from tomobeam_contracts.flow import FlowType
from tomobeam_contracts.launchers import ContainerJobs, Limits
from tomobeam_flows.launchers import CannotLaunch, Exit, JobRequest
from tomobeam_flows.launchers.container import ContainerLauncher
from tomobeam_flows.launchers.container_job import ContainerJob


@dataclass
class Tried:
    """A podman, a folder for its jobs, and launchers for it."""

    podman: Podman
    folder: Path
    jobs: int = 0

    def launcher(self, grace_s: float = 1.0, **options: Any) -> ContainerLauncher:
        return ContainerLauncher(
            FlowType.PODMAN,
            ContainerJobs(socket=self.podman.socket, mounts=(self.folder / "data",), **options),
            worker=self.folder.name,
            state=self.folder / "state",
            models=self.folder / "models",
            environment={"EXTRA": "$HOME `id`"},
            grace_s=grace_s,
        )

    def request(self, *command: str, gpu: bool = False, **wishes: Any) -> JobRequest:
        self.jobs += 1
        job_id = f"{self.folder.name}-{self.jobs}"
        request = job_request(job_id, list(command), self.folder / "models", **wishes)
        image = {"image_name": IMAGE, "image_tag": TAG, "is_gpu_enabled": gpu}
        return replace(request, algorithm=algorithm(" ".join(command), **image))

    async def start(self, launcher: ContainerLauncher, request: JobRequest) -> ContainerJob:
        folder = launcher.prepare(request)
        self.podman.give(folder)
        return await launcher.start(request, folder)

    def run(self, launcher: ContainerLauncher, request: JobRequest) -> tuple[list[str], Exit]:
        """Run a job to its end."""

        async def run() -> tuple[list[str], Exit]:
            job = await self.start(launcher, request)
            lines = [line async for line in job.lines()]
            return lines, await job.wait()

        try:
            return asyncio.run(run())
        finally:
            launcher.clean_up(self.folder / "state/podman-jobs" / request.job_id)


def _service(rootless: bool) -> Iterator[Podman]:
    if reason := missing(rootless):
        pytest.skip(reason)
    with podman(PROGRAMS, rootless) as service:
        yield service


@pytest.fixture(scope="module", params=["own user", "rootless"])
def service(request: pytest.FixtureRequest) -> Iterator[Podman]:
    """One podman for all tests of this file, and another one that is rootless."""
    yield from _service(request.param == "rootless")


@pytest.fixture
def tried(service: Podman, request: pytest.FixtureRequest) -> Iterator[Tried]:
    name = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    folder = service.folder / name
    for each in (folder, folder / "data", folder / "data/scan", folder / "models"):
        each.mkdir()
    (folder / "data/scan/slice").touch()
    service.give(folder)
    yield Tried(service, folder)
    assert service.names() == []
    assert not list(folder.glob("state/podman-jobs/*"))


def test_a_job_sees_what_it_needs_and_nothing_else(
    tried: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tried.podman.folder / "ca.crt").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tried.podman.folder / "ca.crt"))
    monkeypatch.setenv("TOMOBEAM_PREFECT_AUTH", "verysecret")
    launcher = tried.launcher(env_vars=("OMP_NUM_THREADS",))
    request = tried.request(
        "look", "$(id)", "a;b",
        volumes=[f"{tried.folder}/data/scan:/data"], env_vars={"OMP_NUM_THREADS": "$X"},
    )  # fmt: skip
    lines, ended = tried.run(launcher, request)
    assert ended == Exit(0), lines
    seen = json.loads(next(line for line in lines if line.startswith("{")))
    assert seen["argv"] == ["$(id)", "a;b", "/app/work/config/params.yaml"]
    assert (seen["mode"], seen["cwd"], seen["mounts"]) == (0o600, "/app/work", ["slice"])
    assert (int(seen["capabilities"], 16), seen["no_new_privileges"]) == (0, "1")
    environment = seen["environment"]
    assert (environment["EXTRA"], environment["OMP_NUM_THREADS"]) == ("$HOME `id`", "$X")
    assert environment["SSL_CERT_FILE"] == str(tried.podman.folder / "ca.crt")
    assert "verysecret" not in environment.values()
    read_only = "Read-only file system"
    assert seen["writes"] == {
        "/app/work/config/params.yaml": read_only,
        "/app/bin/look": read_only,
        "/app/work/x": read_only,
        "/tmp/x": None,
        "/dev/shm/x": None,
        f"{tried.folder}/models/x": None,
    }
    written = (tried.folder / "models/x").stat()
    assert written.st_uid == tried.podman.socket.stat().st_uid
    assert "progress 4/4 slices done" in lines
    assert "my key is verysecret" in lines


@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_cancel_removes_the_container(tried: Tried, how: str) -> None:
    async def run() -> tuple[float, Exit]:
        job = await tried.start(launcher, request)
        began = 0.0
        async for line in job.lines():
            if line == "at work":
                began = time.monotonic()
                job.cancel()
        ended = await job.wait()
        return time.monotonic() - began, ended

    launcher, request = tried.launcher(), tried.request("work", how)
    seconds, ended = asyncio.run(run())
    launcher.clean_up(tried.folder / "state/podman-jobs" / request.job_id)
    assert seconds < 10
    assert ended.code == (0 if how == "polite" else 137)
    assert tried.podman.names() == []


def test_cancelled_before_it_began(tried: Tried) -> None:
    async def run() -> Exit:
        job = await tried.start(launcher, request)
        job.cancel()
        return await job.wait()

    launcher, request = tried.launcher(), tried.request("work", "deaf")
    assert not asyncio.run(run()).ok
    launcher.clean_up(tried.folder / "state/podman-jobs" / request.job_id)


def test_the_exit_code_and_the_last_lines(tried: Tried) -> None:
    lines, ended = tried.run(tried.launcher(), tried.request("fail"))
    assert sorted(lines) == ["ValueError: the mask is empty", "reading the mask"]
    assert ended == Exit(3)


def test_a_flood_arrives_whole(tried: Tried) -> None:
    lines, ended = tried.run(tried.launcher(), tried.request("flood"))
    assert ended == Exit(0)
    assert lines == [f"line {i:06}" for i in range(200_000)]


def test_an_image_that_ends_at_once(tried: Tried) -> None:
    lines, ended = tried.run(tried.launcher(), tried.request("silent"))
    assert lines == []
    assert ended == Exit(0, "it ended at once with exit code 0, without a word: wrong image?")


def test_an_image_without_the_command(tried: Tried) -> None:
    _, ended = tried.run(tried.launcher(), tried.request("nothing-here"))
    assert ended.code == 127
    assert ended.reason.startswith("the image cannot run 'nothing-here': ")


def test_the_time_limit(tried: Tried) -> None:
    launcher = tried.launcher(limits=Limits(max_time_s=2))
    _, ended = tried.run(launcher, tried.request("work"))
    assert ended.reason == "ended at its time limit of 2 s"
    assert not ended.ok


def test_the_memory_limit(tried: Tried) -> None:
    if tried.podman.user and not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        pytest.skip("control groups of version 1 do not limit rootless containers")
    launcher = tried.launcher(limits=Limits(memory_mib=64, cpus=0.5))
    lines, ended = tried.run(launcher, tried.request("eat"))
    assert lines == ["eating"]
    assert ended.code == 137
    assert ended.reason.endswith("its memory ran out, the limit is 64 MiB")


def test_an_image_that_is_not_here(tried: Tried) -> None:
    image = {"image_name": "registry.example/none", "image_tag": "v2"}
    request = replace(tried.request("look"), algorithm=algorithm("look", **image))
    with pytest.raises(CannotLaunch, match=r"^image registry.example/none:v2 is not on this host"):
        tried.launcher().prepare(request)


def test_a_dead_workers_container_is_ended(tried: Tried) -> None:
    async def begin() -> None:
        job = await tried.start(tried.launcher(), request)
        async for line in job.lines():
            if line == "at work":
                job._timer = None
                return

    request = tried.request("work", "deaf")
    # The loop is gone with all its tasks, as with a worker that was killed; the thread only reads.
    asyncio.run(begin())
    name = f"tomobeam-{request.job_id}"
    assert tried.podman.names() == [name]
    jobs = tried.launcher().recover()
    assert (request.job_id, "parent-1") in jobs
    wait_for(lambda: tried.podman.names() == [], "the container to be gone", 10)


class TestRuntimeAway:
    """The socket is gone: before, during and after a job."""

    @pytest.fixture(autouse=True)
    def _bring_it_back(self, tried: Tried) -> Iterator[None]:
        yield
        if not tried.podman.socket.exists():
            tried.podman.start()
        wait_for(lambda: tried.podman.names() == [], "no container to be left", 20)

    def test_before(self, tried: Tried) -> None:
        tried.podman.stop()
        launcher = tried.launcher()
        assert launcher.recover() == []
        with pytest.raises(
            CannotLaunch, match=r"^podman does not answer at .*podman\.sock: No such"
        ):
            launcher.prepare(tried.request("look"))

    def test_back_soon_enough(self, tried: Tried) -> None:
        async def run() -> tuple[list[str], Exit]:
            job = await tried.start(launcher, request)
            lines: list[str] = []
            async for line in job.lines():
                lines.append(line)
                if line == "still here 5":
                    await asyncio.to_thread(tried.podman.stop)
                    await asyncio.sleep(1)
                    await asyncio.to_thread(tried.podman.start)
                if line == "still here 20":
                    job.cancel()
            return lines, await job.wait()

        launcher, request = tried.launcher(), tried.request("work", "deaf")
        lines, ended = asyncio.run(run())
        launcher.clean_up(tried.folder / "state/podman-jobs" / request.job_id)
        assert lines[:21] == ["at work", *(f"still here {i}" for i in range(1, 21))]
        assert ended.code == 137

    def test_for_long(self, tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tomobeam_flows.launchers.container_job.PATIENCE_S", 1.0)

        async def run() -> Exit:
            job = await tried.start(launcher, request)
            async for line in job.lines():
                if line == "at work":
                    await asyncio.to_thread(tried.podman.stop)
            return await job.wait()

        launcher, request = tried.launcher(), tried.request("work", "deaf")
        ended = asyncio.run(run())
        launcher.clean_up(tried.folder / "state/podman-jobs" / request.job_id)
        assert not ended.ok
        assert "went away while the job ran" in ended.reason
        # The container lives on, and is ended by the launcher once the socket is back.
        assert tried.podman.names() == [f"tomobeam-{request.job_id}"]


CDI = Path("/var/run/cdi/tomobeam-tried.json")


@pytest.fixture
def gpu() -> Iterator[str]:
    """A device that the runtime knows by CDI; it is only a variable."""
    if not os.access(CDI.parent.parent, os.W_OK):
        pytest.skip("only root can describe a device for CDI")
    CDI.parent.mkdir(exist_ok=True)
    edits = {"env": ["TOMOBEAM_TRIED_GPU=zero"]}
    devices = [{"name": "0", "containerEdits": edits}]
    CDI.write_text(
        json.dumps({"cdiVersion": "0.3.0", "kind": "tomobeam.tried/gpu", "devices": devices})
    )
    yield "tomobeam.tried/gpu=0"
    CDI.unlink()


def test_two_jobs_for_one_gpu_take_turns(tried: Tried, gpu: str) -> None:
    launcher = tried.launcher(gpus=(gpu,), limits=Limits(memory_mib=256, cpus=0.5))
    requests = [tried.request("gpu", gpu=True) for _ in range(2)]

    async def follow(request: JobRequest) -> list[str]:
        job = await tried.start(launcher, request)
        lines = [line async for line in job.lines()]
        assert await job.wait() == Exit(0)
        return lines

    async def run() -> list[list[str]]:
        return await asyncio.gather(*map(follow, requests))

    first, second = asyncio.run(run())
    for request in requests:
        launcher.clean_up(tried.folder / "state/podman-jobs" / request.job_id)
    if first[0].startswith("Waiting"):
        first, second = second, first
    assert second[0] == "Waiting for a free GPU: 1 here, all in use."
    assert first[0].split()[:2] == second[1].split()[:2] == ["on", "zero"]
    assert float(first[1].split()[1]) < float(second[1].split()[2])


def test_a_job_that_waits_for_a_gpu_can_be_cancelled(tried: Tried, gpu: str) -> None:
    launcher = tried.launcher(gpus=(gpu,))
    busy, waiting = tried.request("work", gpu=True), tried.request("look", gpu=True)

    async def run() -> tuple[list[str], Exit]:
        holder = await tried.start(launcher, busy)
        async for _ in holder.lines():
            break
        job = await tried.start(launcher, waiting)
        lines = []
        async for line in job.lines():
            lines.append(line)
            job.cancel()
        ended = await job.wait()
        holder.cancel()
        await holder.wait()
        return lines, ended

    lines, ended = asyncio.run(run())
    for request in (busy, waiting):
        launcher.clean_up(tried.folder / "state/podman-jobs" / request.job_id)
    assert lines == ["Waiting for a free GPU: 1 here, all in use."]
    assert not ended.ok


def test_another_users_rootless_socket_is_refused(tried: Tried) -> None:
    if tried.podman.user is None:
        pytest.skip("this podman is not another user's")
    launcher, request = tried.launcher(), tried.request("look")
    folder = launcher.prepare(request)  # Ours, and not the socket's owner's.
    with pytest.raises(CannotLaunch, match="give the worker its own user's socket"):
        asyncio.run(launcher.start(request, folder))
    launcher.clean_up(folder)
