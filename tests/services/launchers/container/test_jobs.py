"""Jobs in real containers of podman: what they see, how they end, what their limits do."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services.launchers.container.tried import Tried
from tests.support.jobs import algorithm
from tests.support.waiting import wait_for
from tomobeam_contracts.launchers import Limits
from tomobeam_flows.launchers import CannotLaunch, Exit


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


def test_another_users_rootless_socket_is_refused(tried: Tried) -> None:
    if tried.podman.user is None:
        pytest.skip("this podman is not another user's")
    launcher, request = tried.launcher(), tried.request("look")
    folder = launcher.prepare(request)  # Ours, and not the socket's owner's.
    with pytest.raises(CannotLaunch, match="give the worker its own user's socket"):
        asyncio.run(launcher.start(request, folder))
    launcher.clean_up(folder)
