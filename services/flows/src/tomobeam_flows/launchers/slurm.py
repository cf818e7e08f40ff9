"""Jobs of a batch system, through folders that its nodes share with the worker."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

from tomobeam_common import logs
from tomobeam_contracts.flow import Step
from tomobeam_contracts.launchers import SlurmJobs
from tomobeam_contracts.registry import Algorithm
from tomobeam_flows.launchers import JOB_MARKER, CannotLaunch, JobRequest, slurm_commands
from tomobeam_flows.launchers.folders import PARAMETERS, WORK, JobFolders
from tomobeam_flows.launchers.slurm_commands import SlurmError
from tomobeam_flows.launchers.slurm_job import EXIT, OUTPUT, SlurmJob
from tomobeam_flows.launchers.slurm_wishes import allocation, options
from tomobeam_flows.launchers.wishes import check_variables, program_of, surroundings, trusted

BATCH = Path(__file__).with_name("slurm_batch.sh")
AUTHORITY = "SSL_CERT_FILE"
_AUTHORITY_COPY = "trust.pem"
RECOVER_PAUSE_S = 0.5
COMPLAIN_EVERY_S = 30.0

log = logs.get(__name__)


class SlurmLauncher:
    """Submits jobs, and ends what a dead worker of this name had submitted."""

    def __init__(
        self, site: SlurmJobs, worker: str, environment: dict[str, str], grace_s: float
    ) -> None:
        self._site = site
        # By the name, jobs are known for this worker's without any memory of ours.
        self._name = f"tomobeam/{worker}/"
        self._folders = JobFolders(site.shared / worker)
        self._environment = environment
        self._grace_s = grace_s

    def check(self, step: Step, algorithm: Algorithm) -> None:
        """Check a step's partitions, reservations, nodes, time and variables against the site's.

        Raises:
            CannotLaunch: one of them is not allowed here; begins with its field.
        """
        allocation(step, algorithm, self._site)
        check_variables(step, self._site.env_vars)

    def prepare(self, request: JobRequest) -> Path:
        """Make the job's folder on the shared file system.

        Raises:
            CannotLaunch: the registry's command is none, or the disk is full.
        """
        program_of(request.command)
        folder = self._folders.make(request)
        try:
            for name in (OUTPUT, EXIT):
                (folder / name).touch(mode=0o600)
            if authority := trusted().get(AUTHORITY):
                # Nodes of a cluster need not have the site's own authority.
                shutil.copyfile(authority, folder / _AUTHORITY_COPY)
        except OSError as error:
            self._folders.remove(folder)
            raise CannotLaunch(f"cannot prepare the job in {folder}: {error}") from error
        return folder

    async def start(self, request: JobRequest, folder: Path) -> SlurmJob:
        """Submit the job.

        Raises:
            CannotLaunch: Slurm does not take it; with Slurm's own reason.
        """
        # Slurm fills in % of these names.
        output = str(folder / OUTPUT).replace("%", "%%")
        words = [
            *options(allocation(request.step, request.algorithm, self._site), self._site),
            f"--job-name={self._name}{request.job_id}",
            f"--chdir={folder}",
            f"--output={output}",
            "--open-mode=append",
            "--input=/dev/null",
            "--propagate=NONE",
            # A second start, after a node failed, is for the run's own Retry.
            "--no-requeue",
        ]
        program, *arguments = request.command
        mark = f"{JOB_MARKER}={request.job_id}"
        script = [
            str(BATCH), str(folder), str(self._grace_s), mark,
            str(self._site.job_bin / program), *arguments, str(folder / PARAMETERS),
        ]  # fmt: skip
        try:
            number = await slurm_commands.submit(
                words, script, self._job_environment(request, folder)
            )
        except SlurmError as error:
            raise CannotLaunch(f"Slurm did not take the job: {error}") from error
        return SlurmJob(number, folder)

    def _job_environment(self, request: JobRequest, folder: Path) -> dict[str, str]:
        authority = folder / _AUTHORITY_COPY
        return {
            **({AUTHORITY: str(authority)} if authority.exists() else {}),
            **surroundings(self._site.job_bin, folder / WORK),
            **self._environment,
            **(request.step.env_vars or {}),
            JOB_MARKER: request.job_id,
        }

    def clean_up(self, folder: Path) -> None:
        """Remove the job's folder, and with it the credentials."""
        self._folders.remove(folder)

    def recover(self) -> list[tuple[str, str]]:
        """End and remove what a dead worker left; (job id, parent id) of each job.

        Slurm is waited for, however long: until it answers, nobody knows what still runs.
        """
        folders = self._folders.left()
        if folders:
            asyncio.run(self._end_leftovers())
        return self._folders.take_away(folders)

    async def _end_leftovers(self) -> None:
        complain_at = 0.0
        while True:
            try:
                left = await slurm_commands.unfinished(self._name)
                if not left:
                    return
                await slurm_commands.cancel(*left)
                problem = f"still there: {', '.join(left)}"
            except SlurmError as error:
                problem = str(error)
            if time.monotonic() >= complain_at:
                log.warning("ending a dead worker's jobs in Slurm", problem=problem)
                complain_at = time.monotonic() + COMPLAIN_EVERY_S
            await asyncio.sleep(RECOVER_PAUSE_S)
