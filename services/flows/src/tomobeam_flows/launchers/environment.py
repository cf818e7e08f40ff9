"""Jobs in Python environments that are there already, such as conda's, as processes."""

from __future__ import annotations

import math
import os
from pathlib import Path

from tomobeam_contracts.flow import Step
from tomobeam_contracts.launchers import EnvironmentJobs
from tomobeam_contracts.registry import Algorithm
from tomobeam_flows.launchers import CannotLaunch, JobRequest
from tomobeam_flows.launchers.folders import JobFolders
from tomobeam_flows.launchers.limits import LimitedJob
from tomobeam_flows.launchers.process import ProcessLauncher
from tomobeam_flows.launchers.wishes import check_variables


class EnvironmentLauncher:
    """Runs jobs with the commands of one of the site's environments, within the site's limits.

    An environment is used by path, as if it were active; its activation scripts, which only a
    shell understands, are not run.
    """

    def __init__(
        self,
        jobs: EnvironmentJobs,
        folders: JobFolders,
        environment: dict[str, str],
        grace_s: float,
    ) -> None:
        self._jobs = jobs
        self._folders = folders
        self._environment = environment
        self._grace_s = grace_s
        self._begun = 0

    def check(self, step: Step, algorithm: Algorithm) -> None:  # noqa: ARG002
        """Check which environment and variables a step wishes.

        Raises:
            CannotLaunch: the site does not have or allow it; begins with its field.
        """
        self._name(step)
        check_variables(step, self._jobs.env_vars)

    def prepare(self, request: JobRequest) -> Path:
        """Make the job's folder.

        Raises:
            CannotLaunch: the command is not in the environment, or the disk is full.
        """
        return self._processes(request).prepare(request)

    async def start(self, request: JobRequest, folder: Path) -> LimitedJob:
        """Start the job.

        Raises:
            CannotLaunch: the system refuses another process.
        """
        job = await self._processes(request).start(request, folder)
        self._begun += 1
        return LimitedJob(job, self._jobs.limits)

    def clean_up(self, folder: Path) -> None:
        """Remove the job's folder, and with it the credentials."""
        self._folders.remove(folder)

    def recover(self) -> list[tuple[str, str]]:
        """End and remove what a dead worker left; (job id, parent id) of each job."""
        return ProcessLauncher(self._folders, Path(), {}, self._grace_s).recover()

    def _name(self, step: Step) -> str:
        name = step.conda_env_name or self._jobs.default
        known = ", ".join(self._jobs.environments)
        if name is None:
            raise CannotLaunch(f"conda_env_name: required; this site has: {known}")
        if name not in self._jobs.environments:
            raise CannotLaunch(f"conda_env_name: {name!r} is unknown; this site has: {known}")
        return name

    def _processes(self, request: JobRequest) -> ProcessLauncher:
        name = self._name(request.step)
        prefix = self._jobs.environments[name]
        variables = {
            **self._environment,
            "CONDA_PREFIX": str(prefix),
            "CONDA_DEFAULT_ENV": name,
            **(request.step.env_vars or {}),
        }
        return ProcessLauncher(
            self._folders, prefix / "bin", variables, self._grace_s, self._cpus()
        )

    def _cpus(self) -> tuple[int, ...]:
        """As many processors as a job may use, others for the next job where there are more."""
        if self._jobs.limits.cpus is None:
            return ()
        here = sorted(os.sched_getaffinity(0))
        count = min(math.ceil(self._jobs.limits.cpus), len(here))
        first = self._begun * count
        return tuple(here[(first + i) % len(here)] for i in range(count))
