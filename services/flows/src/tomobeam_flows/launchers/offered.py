"""Which launchers this worker has: those that its site lists."""

from __future__ import annotations

from tomobeam_contracts.flow import FlowType
from tomobeam_flows.launchers import Launcher
from tomobeam_flows.launchers.environment import EnvironmentLauncher
from tomobeam_flows.launchers.folders import JobFolders
from tomobeam_flows.launchers.process import ProcessLauncher
from tomobeam_flows.launchers.slurm import SlurmLauncher
from tomobeam_flows.settings import WorkerSettings


def offered(settings: WorkerSettings) -> dict[FlowType, Launcher]:
    """A launcher for each kind that the worker's settings list."""
    launchers: dict[FlowType, Launcher] = {}
    if settings.launchers.process is not None:
        launchers[FlowType.PROCESS] = ProcessLauncher(
            JobFolders(settings.worker_state / "jobs"),
            settings.job_bin,
            settings.job_environment,
            settings.cancel_grace_s,
        )
    if settings.launchers.conda is not None:
        launchers[FlowType.CONDA] = EnvironmentLauncher(
            settings.launchers.conda,
            JobFolders(settings.worker_state / "conda-jobs"),
            settings.job_environment,
            settings.cancel_grace_s,
        )
    containers = {
        FlowType.PODMAN: settings.launchers.podman,
        FlowType.DOCKER: settings.launchers.docker,
    }
    for kind, jobs in containers.items():
        if jobs is not None:
            # 20 MB, which workers without containers need not hold.
            from tomobeam_flows.launchers.container import ContainerLauncher

            launchers[kind] = ContainerLauncher(
                kind,
                jobs,
                worker=settings.worker_name,
                state=settings.worker_state,
                models=settings.models_dir,
                environment=settings.job_environment,
                grace_s=settings.cancel_grace_s,
            )
    if settings.launchers.slurm is not None:
        launchers[FlowType.SLURM] = SlurmLauncher(
            settings.launchers.slurm,
            settings.worker_name,
            settings.job_environment,
            settings.cancel_grace_s,
        )
    return launchers
