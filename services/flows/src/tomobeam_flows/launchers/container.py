"""Jobs in containers of podman or docker, sealed, and with nothing that the site does not allow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from tomobeam_common import logs
from tomobeam_contracts.flow import FlowType, Step
from tomobeam_contracts.launchers import ContainerJobs
from tomobeam_contracts.registry import Algorithm
from tomobeam_flows.launchers import JOB_MARKER, CannotLaunch, JobRequest
from tomobeam_flows.launchers.container_job import ContainerJob, in_thread
from tomobeam_flows.launchers.container_orphans import (
    JOB_LABEL,
    PARENT_LABEL,
    WORKER_LABEL,
    Orphans,
)
from tomobeam_flows.launchers.container_runtime import Runtime
from tomobeam_flows.launchers.container_spec import TEMPORARY, ContainerSpec
from tomobeam_flows.launchers.container_wishes import (
    PARAMETERS_TARGET,
    Mount,
    allowed_mounts,
    check_working_folder,
)
from tomobeam_flows.launchers.folders import PARAMETERS, JobFolders
from tomobeam_flows.launchers.gpus import Gpus
from tomobeam_flows.launchers.wishes import trusted

log = logs.get(__name__)


class ContainerLauncher:
    """Runs jobs through the API of podman or docker."""

    def __init__(
        self,
        kind: FlowType,
        jobs: ContainerJobs,
        *,
        worker: str,
        state: Path,
        models: Path,
        environment: dict[str, str],
        grace_s: float,
    ) -> None:
        self._jobs = jobs
        self._worker = worker
        self._models = models
        self._environment = environment
        self._grace_s = grace_s
        self._folders = JobFolders(state / f"{kind}-jobs")
        self._runtime = Runtime(kind, jobs.socket)
        self._gpus = Gpus(jobs.gpus)
        self._running: set[str] = set()
        self._orphans = Orphans(self._runtime, worker, self._running)

    def check(self, step: Step, algorithm: Algorithm) -> None:  # noqa: ARG002
        """Check what a step wishes of its container; image and command are the registry's.

        Raises:
            CannotLaunch: the site does not allow it; begins with its field.
        """
        allowed_mounts(step, self._jobs, self._models)

    def prepare(self, request: JobRequest) -> Path:
        """Look up the image, and make the job's folder.

        Raises:
            CannotLaunch: the runtime is away, the image is not on this host, or the disk is full.
        """
        with self._runtime.client() as client:
            self._runtime.image(client, _name(request.algorithm))
        if not self._models.is_dir():
            raise CannotLaunch(f"there is no folder of models {self._models} on this host")
        return self._folders.make(request)

    async def start(self, request: JobRequest, folder: Path) -> ContainerJob:
        """Start the job, or let it wait for a GPU.

        Raises:
            CannotLaunch: the runtime is away or another user's, or a wish is no longer allowed.
        """
        spec = await in_thread(lambda: self._spec(request, folder))
        gpus = self._gpus if request.algorithm.is_gpu_enabled and self._jobs.gpus else None
        self._running.add(request.job_id)
        lost = partial(self._lost, request.job_id)
        return ContainerJob(self._runtime, spec, gpus, self._grace_s, lost)

    def clean_up(self, folder: Path) -> None:
        """Remove the job's folder, and with it the credentials."""
        self._running.discard(folder.name)
        self._folders.remove(folder)

    def recover(self) -> list[tuple[str, str]]:
        """End and remove what a dead worker left; (job id, parent id) of each job.

        Containers of a runtime that is away are ended when it is back.
        """
        try:
            jobs = self._orphans.end()
        except CannotLaunch as error:
            log.warning("containers of a dead worker are looked for later", reason=str(error))
            self._orphans.end_later()
            jobs = []
        return jobs + self._folders.take_away(self._folders.left())

    def _lost(self, job_id: str, afterwards: Callable[[], object]) -> None:
        self._running.discard(job_id)
        self._orphans.end_later(afterwards)

    def _spec(self, request: JobRequest, folder: Path) -> ContainerSpec:
        mounts = allowed_mounts(request.step, self._jobs, self._models)
        with self._runtime.client() as client:
            image = self._runtime.image(client, _name(request.algorithm))
            user = self._user(self._runtime.rootless(client), folder)
        check_working_folder(mounts, image.working_folder)
        own = [
            Mount(folder / PARAMETERS, PARAMETERS_TARGET),
            Mount(self._models, PurePosixPath(self._models), writable=True),
            *(Mount(Path(path), PurePosixPath(path)) for path in trusted().values()),
        ]
        return ContainerSpec(
            name=f"tomobeam-{request.job_id}",
            image=image.id,
            argv=[*request.command, str(PARAMETERS_TARGET)],
            environment={
                **trusted(),
                "HOME": TEMPORARY,
                "TMPDIR": TEMPORARY,
                "LANG": "C.UTF-8",
                "PYTHONUNBUFFERED": "1",
                **self._environment,
                **(request.step.env_vars or {}),
                JOB_MARKER: request.job_id,
            },
            labels={
                WORKER_LABEL: self._worker,
                JOB_LABEL: request.job_id,
                PARENT_LABEL: request.parent_id,
            },
            user=user,
            working_folder=image.working_folder if image.working_folder != "/" else TEMPORARY,
            network=self._jobs.network,
            mounts=[*own, *mounts],
            limits=self._jobs.limits,
        )

    def _user(self, rootless: bool, folder: Path) -> str:
        """Who, inside, is the worker's user outside, and may read the parameters."""
        ours = folder.stat()
        if not rootless:
            return f"{ours.st_uid}:{ours.st_gid}"
        theirs = self._runtime.socket.stat().st_uid
        if theirs != ours.st_uid:
            raise CannotLaunch(
                f"{self._runtime.socket} is that of user {theirs}, whose containers cannot read "
                f"what user {ours.st_uid} writes; give the worker its own user's socket"
            )
        return "0:0"


def _name(algorithm: Algorithm) -> str:
    return f"{algorithm.image_name}:{algorithm.image_tag}"
