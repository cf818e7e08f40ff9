"""What a dead worker left: its processes ended, its runs given a truthful state."""

from __future__ import annotations

from uuid import UUID

import anyio
from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Crashed, Scheduled

from tomobeam_common import logs
from tomobeam_flows.active import CANCELLED
from tomobeam_flows.api import Api
from tomobeam_flows.launchers import Launcher

NAME_LABEL = "prefect.worker.name"
DIED = "The worker died while this ran; found when it started again."

log = logs.get(__name__)


async def end_leftover_jobs(launchers: list[Launcher]) -> list[UUID]:
    """End the processes and remove the folders of a dead worker; the runs they belonged to."""
    runs: list[UUID] = []
    for launcher in launchers:
        for job, parent in await anyio.to_thread.run_sync(launcher.recover):
            log.warning("a dead worker's job is cleaned away", job=job)
            runs += [UUID(job), UUID(parent)]
    return runs


async def close_leftover_runs(api: Api, pool: str, worker: str, known: list[UUID]) -> None:
    """Give every open run of a dead worker of this name its final state.

    `known` are runs that its folder names. A run that had not begun goes back to the queue.

    Raises:
        httpx.HTTPError: the server is away; call it again.
    """
    parents = [
        run for run in await api.open_runs(pool=pool) if run.labels.get(NAME_LABEL) == worker
    ]
    children: list[FlowRun] = []
    if parents:
        of_parents = filters.FlowRunFilterParentFlowRunId(any_=[run.id for run in parents])
        children = await api.open_runs(parent_flow_run_id=of_parents)
    if known:
        children += await api.open_runs(id=filters.FlowRunFilterId(any_=known))
    for run in {run.id: run for run in [*children, *parents]}.values():
        await _close(api, run)


async def _close(api: Api, run: FlowRun) -> None:
    log.warning("a dead worker's run is closed", run=str(run.id), was=run.state_name)
    if run.state_type == StateType.CANCELLING:
        await api.set_state(run.id, Cancelled(message=CANCELLED), force=True)
    elif run.state_type == StateType.PENDING and run.deployment_id is not None:
        await api.set_state(run.id, Scheduled(message="Not begun; back in the queue."), force=True)
    else:
        await api.set_state(run.id, Crashed(message=DIED), force=True)
