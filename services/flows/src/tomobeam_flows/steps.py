"""One step: a child flow run whose work is one job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import anyio
from prefect import Flow, Task
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Failed

from tomobeam_contracts.destinations import RESULTS, STEP_FLOW_NAME
from tomobeam_contracts.flow import job_label, run_tags
from tomobeam_contracts.job import JobFile, JobIoParameters, Progress
from tomobeam_contracts.tree import metadata_uri
from tomobeam_flows.active import Active, Context
from tomobeam_flows.api import persist
from tomobeam_flows.exits import explain_exit
from tomobeam_flows.launchers import CannotLaunch, Exit, Job, JobRequest, Launcher
from tomobeam_flows.metrics import FIRST_LINE, JOBS
from tomobeam_flows.output import Flood, Tail, hide
from tomobeam_flows.parameters import PlannedStep
from tomobeam_flows.progress import ProgressBar

WORKER_STOPPED = "The worker was stopped while this ran. Start it again with Retry."
# A stopping worker waits so long for its runs to say how they ended, and a run that is cut
# short even then tries so long; recovery says it otherwise.
LAST_WORDS_S = 8.0
CUT_SHORT_S = 2.0


def launch_step(**parameters: Any) -> None:
    """Only a name and a signature for Prefect: the worker runs the step itself."""


STEP_FLOW = Flow(launch_step, name=STEP_FLOW_NAME)
STEP_TASK = Task(launch_step, name=STEP_FLOW_NAME)


@dataclass(frozen=True)
class Trained:
    """The training step that came before: its run's id and name."""

    run_id: str
    name: str


class StepRun:
    """Runs one step and gives its child flow run the state that it deserves."""

    def __init__(  # noqa: PLR0917 - all of them are needed, and differ in type
        self, context: Context, active: Active, parent: FlowRun, step: PlannedStep,
        launcher: Launcher, trained: Trained | None,
        on_progress: Callable[[Progress], None],
    ) -> None:  # fmt: skip
        self.context = context
        self.active = active
        self.parent = parent
        self.step = step
        self.launcher = launcher
        self.trained = trained
        self.on_progress = on_progress
        self.tail = Tail()
        self.child: FlowRun | None = None

    @property
    def _retrieve(self) -> str | None:
        given = self.step.request.params.io_parameters.uid_retrieve
        return given or (self.trained.run_id if self.trained else None)

    async def run(self, key: str) -> tuple[FlowRun, State[Any]]:
        """Run the step; `key` is new at each attempt, or Prefect takes an old child run."""
        child = await self._create_child(key)
        self.child = child
        self.active.child = child.id
        try:
            state = await self._launch(child)
        except (CannotLaunch, ValueError) as error:
            state = Failed(message=self._safe(str(error)))
        except BaseException:
            with anyio.move_on_after(CUT_SHORT_S, shield=True):
                await self._finish(child, Crashed(message=WORKER_STOPPED))
            raise
        await self._finish(child, state)
        return child, state

    async def _create_child(self, key: str) -> FlowRun:
        client = self.context.api.client
        name = job_label(await self._label(), datetime.now().astimezone())
        task_run = await persist(
            lambda: client.create_task_run(STEP_TASK, self.parent.id, key), "create a step"
        )
        # Asked again after a time-out, the server must not make a second run that nobody ends.
        body = {
            "flow_id": str(await persist(lambda: client.create_flow(STEP_FLOW), "name a flow")),
            "name": name,
            "parameters": self.step.request.to_wire(),
            "tags": run_tags(self.step.task, self.step.image_path),
            "parent_task_run_id": str(task_run.id),
            "state": {"type": "RUNNING", "name": "Running"},
            "idempotency_key": str(task_run.id),
        }
        answer = await persist(
            lambda: client.request("POST", "/flow_runs/", json=body), "create a step's run"
        )
        return FlowRun.model_validate(answer.json())

    async def _label(self) -> str:
        """What the run's name starts with: for an inference, its training run's name."""
        request = self.step.request
        job = request.params.io_parameters.job_name or request.job_name or self.parent.name
        if self.step.task == "train":
            return job
        if self.trained and self._retrieve == self.trained.run_id:
            return self.trained.name
        try:
            run_id = UUID(self._retrieve or "")
            client = self.context.api.client
            training = await persist(lambda: client.read_flow_run(run_id), "read a run's name")
        except (ValueError, ObjectNotFound):
            return job  # A model from elsewhere, or its run is no longer kept.
        return training.name

    def _job_file(self, child: FlowRun) -> JobFile:
        settings = self.context.settings
        key = settings.tiled_api_key
        url = settings.tiled_url
        io = self.step.request.params.io_parameters
        mask = self.step.mask_path
        # The URIs are rebuilt on our own Tiled: our key is never sent to another host.
        return JobFile(
            io_parameters=JobIoParameters(
                data_tiled_uri=metadata_uri(url, self.step.image_path),
                data_tiled_api_key=key,
                mask_tiled_uri=metadata_uri(url, mask) if mask else None,
                mask_tiled_api_key=key if mask else None,
                seg_tiled_uri=metadata_uri(url, RESULTS),
                seg_tiled_api_key=key,
                uid_save=str(child.id),
                uid_retrieve=self._retrieve if self.step.task == "inference" else io.uid_retrieve,
                job_name=io.job_name or self.step.request.job_name or child.name,
                models_dir=settings.models_dir,
            ),
            model_parameters=self.step.model_parameters,
        )

    async def _launch(self, child: FlowRun) -> State[Any]:
        request = JobRequest(
            job_id=str(child.id),
            parent_id=str(self.parent.id),
            command=self.step.algorithm.command(self.step.task),
            file=self._job_file(child),
            algorithm=self.step.algorithm,
            step=self.step.request,
        )
        folder = await anyio.to_thread.run_sync(self.launcher.prepare, request)
        try:
            if self.active.ending is not None:
                return self.active.ending.state
            job = await self.launcher.start(request, folder)
            return await self._follow(job, child)
        finally:
            self.launcher.clean_up(folder)

    async def _follow(self, job: Job, child: FlowRun) -> State[Any]:
        self.active.job = job
        bar = ProgressBar(self.context.api, child.id)
        started = time.monotonic()
        try:
            if self.active.ending is not None:
                job.cancel()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(bar.run)
                await self._stream(job, child, bar, started)
                tasks.cancel_scope.cancel()
            ended = await job.wait()
        except BaseException:
            with anyio.CancelScope(shield=True):
                job.cancel()
                await job.wait()
            raise
        finally:
            self.active.job = None
        return await self._outcome(ended, bar)

    async def _stream(self, job: Job, child: FlowRun, bar: ProgressBar, started: float) -> None:
        flood = Flood()
        first = True
        async for line in job.lines():
            if first:
                FIRST_LINE.observe(time.monotonic() - started)
                first = False
            shown = self._safe(line)
            self.tail.add(shown)
            if progress := Progress.parse(line):
                bar.show_progress(progress)
                self.on_progress(progress)
            if not flood.admit():
                continue
            if left_out := flood.take_left_out():
                self._say(child, f"… {left_out} lines left out", logging.WARNING)
            self._say(child, shown)
        if left_out := flood.take_left_out():
            self._say(child, f"… {left_out} lines left out", logging.WARNING)

    async def _outcome(self, ended: Exit, bar: ProgressBar) -> State[Any]:
        JOBS.labels(self.step.task, "ok" if ended.ok else "failed").inc()
        if self.active.ending is not None:
            return self.active.ending.state
        await bar.send()
        if ended.ok:
            return Completed()
        message = f"{self.step.algorithm.model_name} {self.step.task}: {explain_exit(ended)}."
        tail = str(self.tail)
        said = f" Last lines:\n{tail}" if tail else " It printed nothing."
        return Failed(message=message + said)

    async def _finish(self, child: FlowRun, state: State[Any]) -> None:
        await self.context.logs.flush()
        async with self.context.heartbeat:
            self.active.child = None
        ending = self.active.ending
        if ending is None or child.id not in ending.set_by_others:
            await self.context.api.set_state(child.id, state)

    def _say(self, child: FlowRun, text: str, level: int = logging.INFO) -> None:
        self.context.logs.write(child.id, text, level)

    def _safe(self, text: str) -> str:
        return hide(text, self.context.secrets)
