"""A podman, a folder for its jobs, and launchers for it; no Prefect server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.support.containers import IMAGE, TAG, Podman
from tests.support.jobs import algorithm, job_request
from tomobeam_contracts.flow import FlowType
from tomobeam_contracts.launchers import ContainerJobs
from tomobeam_flows.launchers import Exit, JobRequest
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
