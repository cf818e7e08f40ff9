"""A run of the parent flow: its parameters checked, its steps in order, its final state."""

from __future__ import annotations

import logging
import time
from typing import Any

import anyio
from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Abort
from prefect.states import Cancelled, Completed, Crashed, Failed, Running
from prefect.utilities.engine import propose_state

from tomobeam_common import logs
from tomobeam_common.tiled import TiledError, TiledUnavailable
from tomobeam_contracts.destinations import FLOW_NAME
from tomobeam_contracts.job import Progress
from tomobeam_contracts.registry import Registry, RegistryError
from tomobeam_flows.active import CANCELLED, Active, Context, Ending
from tomobeam_flows.api import persist
from tomobeam_flows.metrics import ACTIVE, RUNS
from tomobeam_flows.output import hide
from tomobeam_flows.parameters import Plan, Refused, check_images, plan
from tomobeam_flows.progress import ProgressBar
from tomobeam_flows.steps import CUT_SHORT_S, WORKER_STOPPED, StepRun, Trained

TILED_PAUSE_S = 2.0

log = logs.get(__name__)


def launch_parent_flow(params_list: list[dict], flow_type: str | None = None) -> None:
    """Segment an image: each entry of `params_list` is a step, train or inference.

    Only a name and a signature for Prefect: the worker runs the steps itself.
    """


PARENT_FLOW = Flow(launch_parent_flow, name=FLOW_NAME)


class ParentRun:
    """Runs the steps of one flow run of the parent flow."""

    def __init__(self, context: Context, flow_run: FlowRun) -> None:
        self.context = context
        self.flow_run = flow_run
        self.active: Active = context.active.add(flow_run.id)
        self.bar = ProgressBar(context.api, flow_run.id)

    async def execute(self) -> None:
        """Run to the end; never raises but when the worker is stopped."""
        ACTIVE.set(len(self.context.active))
        try:
            state = await self._execute()
            if state is not None:
                await self._finish(state)
        except Abort as error:
            # Prefect does not let it begin: it was cancelled or deleted before.
            log.info("run not begun", run=str(self.flow_run.id), reason=str(error))
        except Exception as error:
            log.exception("run failed in the worker", run=str(self.flow_run.id))
            message = self._safe(f"The worker failed: {error!r}")
            await self._finish(Crashed(message=message))
        except BaseException:
            with anyio.move_on_after(CUT_SHORT_S, shield=True):
                await self._finish(Crashed(message=WORKER_STOPPED))
            raise
        finally:
            self.context.active.remove(self.active)
            ACTIVE.set(len(self.context.active))

    async def _execute(self) -> State[Any] | None:
        run = await persist(
            lambda: self.context.api.client.read_flow_run(self.flow_run.id), "read a run"
        )
        if run.state is not None and (run.state.is_cancelling() or run.state.is_final()):
            return Cancelled(message=CANCELLED) if run.state.is_cancelling() else None
        begun = await persist(
            lambda: propose_state(self.context.api.client, Running(), run.id), "begin a run"
        )
        if not begun.is_running():
            return None
        try:
            checked = await self._plan()
        except (Refused, RegistryError) as error:
            return Failed(message=self._safe(str(error)))
        if isinstance(checked, Ending):
            return checked.state
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.bar.run)
            state = await self._steps(checked)
            tasks.cancel_scope.cancel()
        await self.bar.send()
        return state

    async def _plan(self) -> Plan | Ending:
        """The checked plan, or why the run was ended while it waited for Tiled."""
        settings = self.context.settings
        registry = await anyio.to_thread.run_sync(Registry.read, settings.registry)
        # In a thread too: it looks at folders that a client wishes to mount, maybe on NFS.
        checked = await anyio.to_thread.run_sync(
            plan, self.flow_run.parameters, registry, settings.flow_type, self.context.launchers
        )
        deadline = time.monotonic() + settings.tiled_patience_s
        while self.active.ending is None:
            try:
                await anyio.to_thread.run_sync(check_images, checked, self.context.tiled)
            except TiledUnavailable as error:
                if time.monotonic() >= deadline:
                    raise Refused(str(error)) from error
                self._say(f"Waiting for Tiled: {error}", logging.WARNING)
            except TiledError as error:
                raise Refused(str(error)) from error
            else:
                return checked
            with anyio.move_on_after(TILED_PAUSE_S):
                await self.active.asked_to_end.wait()
        return self.active.ending

    async def _steps(self, checked: Plan) -> State[Any]:
        trained: Trained | None = None
        total = len(checked.steps)
        for i, step in enumerate(checked.steps):
            if self.active.ending is not None:
                return self.active.ending.state
            what = f"Step {i + 1} of {total}, {step.task} with {step.algorithm.model_name}"
            runner = StepRun(
                self.context,
                self.active,
                self.flow_run,
                step,
                self.context.launchers[checked.flow_type],
                trained,
                lambda progress, i=i, what=what: self._show(i, total, what, progress),
            )
            self._say(f"{what}, began")
            self.bar.show(100 * i / total, what)
            began = time.monotonic()
            child, state = await runner.run(f"{i}-{time.time_ns()}")
            took = time.monotonic() - began
            self._say(f"{what}: {state.name} after {took:.1f} s (run {child.name}, {child.id})")
            if self.active.ending is not None:
                return self.active.ending.state
            if not state.is_completed():
                self._say(state.message or "", logging.ERROR)
                return Failed(message=f"{what}: {state.message}")
            if step.task == "train":
                trained = Trained(str(child.id), child.name)
        self.bar.show(100, "done")
        return Completed()

    def _show(self, i: int, total: int, what: str, progress: Progress) -> None:
        share = (i + progress.done / progress.total) / total
        text = f"{what}: {progress.done}/{progress.total} {progress.what}".rstrip()
        self.bar.show(100 * share, text)

    async def _finish(self, state: State[Any]) -> None:
        await self.context.logs.flush()
        async with self.context.heartbeat:
            self.context.active.remove(self.active)
        RUNS.labels(state.type.value.lower()).inc()
        log.info("run ended", run=str(self.flow_run.id), state=state.name)
        ending = self.active.ending
        if ending is not None and self.flow_run.id in ending.set_by_others:
            return
        await self.context.api.set_state(self.flow_run.id, state)

    def _say(self, text: str, level: int = logging.INFO) -> None:
        self.context.logs.write(self.flow_run.id, text, level)

    def _safe(self, text: str) -> str:
        return hide(text, self.context.secrets)
