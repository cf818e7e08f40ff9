"""Lines into the logs of flow runs, in order, in small batches, however long the server is away.

Prefect's own log handler drops what it cannot send, and cannot be told to finish before a run
ends; here the last line is there before the run's final state.
"""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime, timedelta
from uuid import UUID

import anyio
import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import LogCreate

from tomobeam_common import logs
from tomobeam_flows.api import persist

NAME = "tomobeam"
BATCH = 200
LONGEST_QUEUE = 50_000
_TICK = timedelta(microseconds=1)

log = logs.get(__name__)


class RunLogs:
    """The queue of lines of every run of this worker."""

    def __init__(self, client: PrefectClient, every_s: float) -> None:
        self._client = client
        self._every_s = every_s
        self._queue: deque[LogCreate] = deque()
        self._more = anyio.Event()
        self._taken = 0
        self._sent = 0
        self._progress = anyio.Event()
        self._last = datetime.now(UTC)
        self._lost = 0

    def write(self, run_id: UUID, message: str, level: int = logging.INFO) -> None:
        """Queue a line; a full queue (the server is away) drops the oldest and counts them."""
        # Prefect sorts by time alone.
        self._last = max(datetime.now(UTC), self._last + _TICK)
        if len(self._queue) >= LONGEST_QUEUE:
            self._queue.popleft()
            self._sent += 1
            self._lost += 1
        line = {
            "name": NAME,
            "level": level,
            "message": message,
            "timestamp": self._last,
            "flow_run_id": run_id,
        }
        self._queue.append(LogCreate.model_validate(line))
        self._taken += 1
        self._more.set()

    async def flush(self) -> None:
        """Wait until every line that is queued now has been sent."""
        goal = self._taken
        while self._sent < goal:
            await self._progress.wait()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            while self._queue:
                await self._send()
            await anyio.sleep(self._every_s)

    async def _send(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        try:
            await persist(lambda: self._client.create_logs(batch), "send the jobs' output")
        except httpx.HTTPStatusError as error:
            log.error("Prefect refuses lines of a job", lines=len(batch), error=str(error))
        if self._lost:
            log.warning("lines were dropped while Prefect was away", lines=self._lost)
            self._lost = 0
        self._sent += len(batch)
        self._progress.set()
        self._progress = anyio.Event()
