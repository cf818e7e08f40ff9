"""What the site needs on its Prefect server: pool, queue, deployment, automations.

Everything is looked up by name first and changed where it differs: run it again at any time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import AutomationCore
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType, WorkPool
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema

from tomobeam_common import logs
from tomobeam_contracts.destinations import DEPLOYMENT_NAME
from tomobeam_flows.api import HEARTBEAT
from tomobeam_flows.heartbeats import SILENT
from tomobeam_flows.runs import PARENT_FLOW
from tomobeam_flows.settings import WORKER_TYPE, PoolSettings
from tomobeam_flows.worker import TomobeamWorker

NEVER_BEGAN = "The worker took this run and never began it; it is taken for dead."
NOT_CANCELLED = "Cancelled; its worker did not answer."
_FLOW_RUN = "prefect.flow-run."
_TERMINAL = {
    f"{_FLOW_RUN}{name}" for name in ("Completed", "Failed", "Crashed", "Cancelled", "TimedOut")
}
_SILENCE = {
    "type": "event",
    "match": {"prefect.resource.id": f"{_FLOW_RUN}*"},
    "for_each": {"prefect.resource.id"},
    "posture": Posture.Proactive,
    "threshold": 1,
}

log = logs.get(__name__)


class CannotProvision(RuntimeError):
    """The server holds something else under our name; the message says what."""


async def provision(settings: PoolSettings) -> UUID:
    """Bring the server to the site's settings; the deployment's id.

    Raises:
        CannotProvision: the pool of that name is of another type.
    """
    async with get_client() as client:
        pool = await _pool(client, settings)
        await _queue(client, settings)
        deployment = await client.create_deployment(
            flow_id=await client.create_flow(PARENT_FLOW),
            name=DEPLOYMENT_NAME,
            description=PARENT_FLOW.description,
            work_pool_name=settings.work_pool,
            work_queue_name=settings.work_queue,
            parameter_openapi_schema=parameter_schema(PARENT_FLOW).model_dump_for_openapi(),
            # The worker checks them, so that the run itself says which field is wrong.
            enforce_parameter_schema=False,
        )
        for automation in automations(settings, pool.id):
            await _automation(client, automation)
    log.info("provisioned", pool=settings.work_pool, deployment=str(deployment))
    return deployment


async def _pool(client: PrefectClient, settings: PoolSettings) -> WorkPool:
    template = TomobeamWorker.get_default_base_job_template()
    try:
        pool = await client.read_work_pool(settings.work_pool)
    except ObjectNotFound:
        return await client.create_work_pool(
            WorkPoolCreate(
                name=settings.work_pool,
                type=WORKER_TYPE,
                base_job_template=template,
                concurrency_limit=settings.jobs_at_once,
            )
        )
    if pool.type != WORKER_TYPE:
        raise CannotProvision(
            f"TOMOBEAM_WORK_POOL: the pool {pool.name!r} is of type {pool.type!r}, "
            f"not {WORKER_TYPE!r}; name another or delete it"
        )
    await client.update_work_pool(
        settings.work_pool,
        WorkPoolUpdate(base_job_template=template, concurrency_limit=settings.jobs_at_once),
    )
    return pool


async def _queue(client: PrefectClient, settings: PoolSettings) -> None:
    try:
        await client.read_work_queue_by_name(settings.work_queue, settings.work_pool)
    except ObjectNotFound:
        await client.create_work_queue(settings.work_queue, work_pool_name=settings.work_pool)


def automations(settings: PoolSettings, pool: UUID) -> list[AutomationCore]:
    """The rules by which the server itself ends runs whose worker is dead."""
    within = timedelta(seconds=settings.heartbeat_dead_after_s)

    def rule(what: str, trigger: dict[str, Any], state: StateType, message: str) -> AutomationCore:
        action = {"type": "change-flow-run-state", "state": state, "message": message}
        return AutomationCore.model_validate(
            {
                "name": f"{settings.work_pool}: {what}",
                "description": message,
                "trigger": {**_SILENCE, "within": within, **trigger},
                "actions": [action],
            }
        )

    silent = {"after": {HEARTBEAT}, "expect": {HEARTBEAT, *_TERMINAL}}
    begun = {f"{_FLOW_RUN}{name}" for name in ("Running", "Scheduled", "AwaitingRetry")}
    never_began = {"after": {f"{_FLOW_RUN}Pending"}, "expect": begun | _TERMINAL}
    not_cancelled = {"after": {f"{_FLOW_RUN}Cancelling"}, "expect": _TERMINAL}
    of_pool = {
        "match_related": {
            "prefect.resource.role": "work-pool",
            "prefect.resource.id": f"prefect.work-pool.{pool}",
        }
    }
    return [
        rule("silent run", silent, StateType.CRASHED, SILENT),
        rule("run never begun", never_began | of_pool, StateType.CRASHED, NEVER_BEGAN),
        rule("run not cancelled", not_cancelled | of_pool, StateType.CANCELLED, NOT_CANCELLED),
    ]


async def _automation(client: PrefectClient, wanted: AutomationCore) -> None:
    found = await client.read_automations_by_name(wanted.name)
    if not found:
        await client.create_automation(wanted)
        return
    await client.update_automation(found[0].id, wanted)
    for double in found[1:]:
        await client.delete_automation(double.id)
