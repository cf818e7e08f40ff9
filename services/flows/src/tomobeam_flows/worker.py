"""The Prefect worker type `tomobeam`: launches jobs from its own warm process."""

from __future__ import annotations

import os
import time
from typing import IO, Any

import anyio
import anyio.abc
import httpx
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.workers.base import (
    BaseJobConfiguration,
    BaseVariables,
    BaseWorker,
    BaseWorkerResult,
)

from tomobeam_common import logs
from tomobeam_common.tiled import TiledClient
from tomobeam_flows.active import Context, Ending
from tomobeam_flows.api import Api, is_transient, quick_retries, retry_soon
from tomobeam_flows.heartbeats import beat_forever, beat_once, watch_forever
from tomobeam_flows.launchers.offered import offered
from tomobeam_flows.locks import lock
from tomobeam_flows.metrics import LAST_POLL
from tomobeam_flows.parameters import kind_of
from tomobeam_flows.recovery import close_leftover_runs, end_leftover_jobs
from tomobeam_flows.runlog import RunLogs
from tomobeam_flows.runs import ParentRun
from tomobeam_flows.settings import WORKER_TYPE, WorkerSettings
from tomobeam_flows.steps import LAST_WORDS_S, WORKER_STOPPED

log = logs.get(__name__)


class TomobeamWorker(BaseWorker[BaseJobConfiguration, BaseVariables, BaseWorkerResult]):
    """Runs the steps of the parent flow itself; Prefect's flow engine is not in play."""

    type = WORKER_TYPE
    job_configuration = BaseJobConfiguration
    job_configuration_variables = BaseVariables
    _description = "Launches the segmentation jobs of tomobeam."

    def __init__(self, *args: Any, settings: WorkerSettings | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings or WorkerSettings.load()
        self._lock: IO[str] | None = None
        self._context: Context | None = None
        self._background = anyio.CancelScope()
        self._leftovers: list[Any] = []
        self._recovered = False
        self.last_answer = 0.0
        """When Prefect last answered, by the monotonic clock."""
        self.trouble = "not started"
        """Why no runs are taken, or nothing."""

    @property
    def context(self) -> Context:
        """What the runs share."""
        if self._context is None:
            raise RuntimeError("the worker is not set up")
        return self._context

    async def setup(self) -> None:
        """Take the lock, clear away what a dead worker left, and begin the background work."""
        settings = self._settings
        self._lock = lock(settings.worker_state)
        launchers = offered(settings)
        self._leftovers = await end_leftover_jobs(list(launchers.values()))
        await super().setup()
        retry_soon(self.client)
        tiled = TiledClient(settings.tiled_url, settings.tiled_api_key)
        self._exit_stack.callback(tiled.close)
        self._context = Context(
            settings=settings,
            api=Api(self.client),
            logs=RunLogs(self.client, settings.log_every_s),
            launchers=launchers,
            tiled=tiled,
            secrets=[
                settings.tiled_api_key.get_secret_value(),
                settings.prefect_auth.get_secret_value(),
            ],
        )
        if self._runs_task_group is None:
            raise RuntimeError("Prefect's worker set up no task group")
        self._runs_task_group.start_soon(self._in_background)

    async def _in_background(self) -> None:
        with self._background, quick_retries():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.context.logs.run)
                tasks.start_soon(beat_forever, self.context)
                tasks.start_soon(watch_forever, self.context)

    async def teardown(self, *exc_info: Any) -> None:
        """End the runs, let them say their last words, then end the background work."""
        if self._context is not None:
            for active in self._context.active:
                active.end(Ending(WORKER_STOPPED, StateType.CRASHED))
            with anyio.move_on_after(self._settings.cancel_grace_s + LAST_WORDS_S):
                while len(self._context.active):
                    await anyio.sleep(0.05)
        self._background.cancel()
        await super().teardown(*exc_info)
        if self._lock is not None:
            self._lock.close()

    async def sync_with_backend(self) -> None:
        """Like Prefect's, but a server that is away is waited for, however long."""
        try:
            await super().sync_with_backend()
        except httpx.HTTPError as error:
            self._wait_out(error)

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Like Prefect's, but a server that is away is waited for, and leftovers come first."""
        try:
            if not self._recovered:
                await close_leftover_runs(
                    self.context.api, self._work_pool_name, self.name, self._leftovers
                )
                self._recovered = True
            runs = await super().get_and_submit_flow_runs()
        except httpx.HTTPError as error:
            self._wait_out(error)
            return []
        if not self._has_successfully_synced:
            self.trouble = f"there is no work pool {self._work_pool_name!r}; provision it"
            return []
        self.trouble = ""
        self.last_answer = time.monotonic()
        LAST_POLL.set_to_current_time()
        return runs

    async def _submit_scheduled_flow_runs(
        self, flow_run_response: list[WorkerFlowRunResponse]
    ) -> list[FlowRun]:
        """Like Prefect's, but a kind of job that only other workers of the pool run is theirs."""
        settings = self._settings
        mine = [
            entry
            for entry in flow_run_response
            if kind_of(entry.flow_run.parameters, settings.flow_type)
            not in settings.kinds_elsewhere
        ]
        return await super()._submit_scheduled_flow_runs(mine)

    def _wait_out(self, error: httpx.HTTPError) -> None:
        if not is_transient(error):
            raise error
        self.trouble = f"Prefect is away: {error or repr(error)}"
        log.warning("Prefect is away", error=str(error) or repr(error))

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,  # noqa: ARG002 - the registry says what runs
        task_status: anyio.abc.TaskStatus[Any] | None = None,
    ) -> BaseWorkerResult:
        """Run one flow run of the parent flow to its end."""
        identifier = f"{self.name}:{os.getpid()}"
        run = ParentRun(self.context, flow_run)
        # One write after the other: on SQLite, Prefect's server can stall on writes that meet.
        await beat_once(self.context)
        if task_status is not None:
            task_status.started(identifier)
        with quick_retries():
            await run.execute()
        # The run's state says how it went; a code here would make Prefect call it crashed.
        return BaseWorkerResult(status_code=0, identifier=identifier)
