"""What the worker asks of Prefect's API, tried again until the server answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import anyio
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas import filters
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.events.schemas.events import Event
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tomobeam_common import logs

OPEN_STATES = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
HEARTBEAT = "prefect.flow-run.heartbeat"
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
LOCKED_PAUSE_S = 0.2
# Shorter troubles are not worth a line.
TELLING_S = 0.5
PAGE = 200

log = logs.get(__name__)
T = TypeVar("T")


def is_transient(error: httpx.HTTPError) -> bool:
    """Whether the server is away or overloaded, so that asking again may help."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, httpx.TransportError)


async def _soon_again(response: httpx.Response) -> None:
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        response.headers.setdefault("Retry-After", str(LOCKED_PAUSE_S))


def retry_soon(client: PrefectClient) -> None:
    """Let the client wait a moment after a 503, not Prefect's 2 s, 4 s and so on.

    On SQLite the server answers so whenever its database is locked for an instant.
    """
    client._client.event_hooks["response"].append(_soon_again)


@contextmanager
def quick_retries() -> Iterator[None]:
    """Switch off Prefect's own retries here, for those of `persist`, which never give up."""
    with temporary_settings(updates={PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


async def persist(action: Callable[[], Awaitable[T]], what: str) -> T:
    """Do `action` again until the server answers it.

    Raises:
        httpx.HTTPStatusError: the server refuses.
    """
    pause = FIRST_PAUSE_S
    while True:
        try:
            return await action()
        except httpx.HTTPError as error:
            if not is_transient(error):
                raise
            if pause > TELLING_S:
                log.warning("Prefect is away", what=what, error=str(error) or repr(error))
        await anyio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)


class Api:
    """The part of Prefect's API that the runs need."""

    def __init__(self, client: PrefectClient) -> None:
        self.client = client

    async def set_state(self, run_id: UUID, state: State[Any], *, force: bool = False) -> bool:
        """Set a run's state, however long the server is away; False where it refuses."""
        try:
            result = await persist(
                lambda: self.client.set_flow_run_state(run_id, state, force=force),
                f"set the state {state.name} of run {run_id}",
            )
        except ObjectNotFound:
            log.info("a run was deleted meanwhile", run=str(run_id))
            return False
        if result.status != SetStateStatus.ACCEPT:
            log.info("Prefect refuses a state", run=str(run_id), state=state.name)
            return False
        return True

    async def states(self, run_ids: Iterable[UUID]) -> dict[UUID, State[Any]]:
        """The states of those of the runs that still exist; one attempt."""
        wanted = filters.FlowRunFilterId(any_=list(run_ids))
        runs = await self.client.read_flow_runs(
            flow_run_filter=filters.FlowRunFilter(id=wanted), limit=PAGE
        )
        return {run.id: run.state for run in runs if run.state is not None}

    async def open_runs(self, **conditions: Any) -> list[FlowRun]:
        """Every run that is Pending, Running or Cancelling and meets `conditions`."""
        pool = conditions.pop("pool", None)
        kinds = filters.FlowRunFilterStateType(any_=list(OPEN_STATES))
        state = filters.FlowRunFilterState(type=kinds)
        found: list[FlowRun] = []
        while True:
            page = await self.client.read_flow_runs(
                flow_run_filter=filters.FlowRunFilter(state=state, **conditions),
                work_pool_filter=filters.WorkPoolFilter(
                    name=filters.WorkPoolFilterName(any_=[pool])
                )
                if pool
                else None,
                limit=PAGE,
                offset=len(found),
            )
            found.extend(page)
            if len(page) < PAGE:
                return found

    async def beat(self, run_ids: Iterable[UUID]) -> None:
        """Say that the runs are alive; one attempt."""
        # Over HTTP: Prefect's own queue of events gives up after a while without a server.
        events = [
            Event.model_validate(
                {
                    "event": HEARTBEAT,
                    "occurred": datetime.now(UTC),
                    "resource": {"prefect.resource.id": f"prefect.flow-run.{run_id}"},
                }
            ).model_dump(mode="json")
            for run_id in run_ids
        ]
        if events:
            await self.client.request("POST", "/events", json=events)

    async def create_progress(self, run_id: UUID, key: str, percent: float, text: str) -> UUID:
        """Create a run's progress artifact."""
        answer = await self.client.request(
            "POST",
            "/artifacts/",
            json={
                "key": key,
                "type": "progress",
                "data": percent,
                "description": text,
                "flow_run_id": str(run_id),
            },
        )
        return UUID(answer.json()["id"])

    async def update_progress(self, artifact: UUID, percent: float, text: str) -> None:
        """Move a progress artifact on."""
        await self.client.request(
            "PATCH",
            "/artifacts/{id}",
            path_params={"id": artifact},
            json={"data": percent, "description": text},
        )
