"""A job's progress lines into a Prefect artifact, the newest only and at most once a second."""

from __future__ import annotations

from uuid import UUID

import anyio
import httpx

from tomobeam_common import logs
from tomobeam_contracts.flow import progress_key
from tomobeam_contracts.job import Progress
from tomobeam_flows.api import Api, persist

EVERY_S = 1.0

log = logs.get(__name__)


class ProgressBar:
    """The progress artifact of one flow run: a percentage and a text."""

    def __init__(self, api: Api, run_id: UUID) -> None:
        self._api = api
        self._run_id = run_id
        self._artifact: UUID | None = None
        self._wanted: tuple[float, str] | None = None
        self._more = anyio.Event()

    def show(self, percent: float, text: str) -> None:
        """Ask for a new value; what was not yet sent is overtaken."""
        self._wanted = (round(min(max(percent, 0.0), 100.0), 1), text)
        self._more.set()

    def show_progress(self, progress: Progress) -> None:
        """Like `show`, from a job's line."""
        percent = 100.0 * progress.done / progress.total
        self.show(percent, f"{progress.done}/{progress.total} {progress.what}".rstrip())

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            await self.send()
            await anyio.sleep(EVERY_S)

    async def send(self) -> None:
        """Send the newest value, if there is one that was not sent."""
        if self._wanted is None:
            return
        percent, text = self._wanted
        try:
            if self._artifact is None:
                key = progress_key(self._run_id)
                self._artifact = await persist(
                    lambda: self._api.create_progress(self._run_id, key, percent, text),
                    "create a progress artifact",
                )
            else:
                artifact = self._artifact
                await persist(
                    lambda: self._api.update_progress(artifact, percent, text),
                    "update a progress artifact",
                )
        except httpx.HTTPStatusError as error:
            log.error("Prefect refuses a progress artifact", error=str(error))
        if self._wanted == (percent, text):
            self._wanted = None
