"""Jobs in containers that want a GPU: one at a time has it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.launchers.container.tried import Tried
from tomobeam_contracts.launchers import Limits
from tomobeam_flows.launchers import Exit, JobRequest

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
