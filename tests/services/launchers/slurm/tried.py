"""A Slurm, programs for its jobs, and launchers for it; no Prefect server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.services.flows.jobs import write_programs
from tests.support.jobs import algorithm, job_request
from tests.support.slurm import CLOSED, OTHER_PARTITION, PARTITION, Slurm, slurm
from tomobeam_contracts.launchers import SlurmJobs
from tomobeam_flows.launchers import Exit, JobRequest
from tomobeam_flows.launchers.slurm import SlurmLauncher
from tomobeam_flows.launchers.slurm_job import SlurmJob

WORKER = "compute 1"
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


@contextmanager
def tried_slurm(folder: Path) -> Iterator[Tried]:
    """A cluster whose commands this process finds, and that is gone afterwards."""
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


async def launch(launcher: SlurmLauncher, request: JobRequest) -> SlurmJob:
    return await launcher.start(request, launcher.prepare(request))


async def until(lines: AsyncIterator[str], part: str) -> str:
    seen = []
    async for line in lines:
        if part in line:
            return line
        seen.append(line)
    raise AssertionError(f"no line with {part!r} in {seen}")


async def the_rest(job: SlurmJob, lines: AsyncIterator[str]) -> tuple[list[str], Exit]:
    return [line async for line in lines], await job.wait()


async def run_job(launcher: SlurmLauncher, request: JobRequest) -> tuple[list[str], Exit]:
    job = await launch(launcher, request)
    return await the_rest(job, job.lines())


def limited(wait: Callable[[], Awaitable[Any]], limit_s: float = 150) -> Any:
    async def run() -> Any:
        return await asyncio.wait_for(wait(), limit_s)

    return asyncio.run(run())
