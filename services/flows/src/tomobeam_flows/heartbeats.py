"""Signs of life of the runs, and a watch on what others do to them."""

from __future__ import annotations

from uuid import UUID

import anyio
import httpx
from prefect.client.schemas.objects import State, StateType
from prefect.states import Running

from tomobeam_common import logs
from tomobeam_flows.active import CANCELLED, Active, Context, Ending
from tomobeam_flows.api import is_transient

SILENT = "No sign of life from the worker of this run; it is taken for dead."
BEAT_LIMIT_S = 5.0

log = logs.get(__name__)


async def beat_forever(context: Context) -> None:
    """Say every few seconds which runs are alive, until cancelled.

    A run that begins is announced by its first beat, well before the next is due.
    """
    while True:
        await beat_once(context)
        await anyio.sleep(context.settings.heartbeat_every_s)


async def beat_once(context: Context) -> None:
    """Say which runs are alive; a server that is away hears the next time."""
    async with context.heartbeat:
        try:
            # A run that ends waits for this.
            with anyio.fail_after(BEAT_LIMIT_S):
                await context.api.beat(context.active.ids)
        except (httpx.HTTPError, TimeoutError) as error:
            log.warning("heartbeat not sent", error=str(error) or repr(error))


async def watch_forever(context: Context) -> None:
    """Look for runs that were cancelled, deleted or given a state by others, until cancelled."""
    while True:
        await anyio.sleep(context.settings.watch_every_s)
        before = {active.parent: active.ids for active in context.active}
        if not before:
            continue
        try:
            states = await context.api.states(i for ids in before.values() for i in ids)
        except httpx.HTTPError as error:
            if not is_transient(error):
                log.error("Prefect refuses to tell the states of runs", error=str(error))
            continue
        for active in context.active:
            for run_id in before.get(active.parent, ()):
                if run_id in active.ids:
                    await _judge(context, active, run_id, states.get(run_id))


async def _judge(context: Context, active: Active, run_id: UUID, state: State | None) -> None:
    if state is None:
        active.end(Ending("The run was deleted.", StateType.CANCELLED, set_by_others={run_id}))
    elif state.type == StateType.CANCELLING:
        active.end(Ending(CANCELLED, StateType.CANCELLED))
    elif state.type == StateType.CANCELLED:
        active.end(Ending(CANCELLED, StateType.CANCELLED, set_by_others={run_id}))
    elif state.type == StateType.CRASHED and state.message == SILENT:
        await _take_back(context, active, run_id)
    elif state.is_final():
        message = f"Run {run_id} was set to {state.name} while it ran."
        active.end(Ending(message, StateType.FAILED, set_by_others={run_id}))


async def _take_back(context: Context, active: Active, run_id: UUID) -> None:
    """The server missed our beats, so that a living run counts as crashed: put it right."""
    async with context.heartbeat:
        if run_id not in active.ids or active.ending is not None:
            return
        try:
            state = Running(message="The worker is in touch again.")
            await context.api.client.set_flow_run_state(run_id, state, force=True)
        except httpx.HTTPError as error:
            log.warning("run not taken back", run=str(run_id), error=str(error))
