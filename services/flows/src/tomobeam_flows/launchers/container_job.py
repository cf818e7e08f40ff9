"""One job in a container: a thread speaks with the runtime, the loop with everybody else."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import math
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import requests
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from tomobeam_common import logs
from tomobeam_flows.launchers import CannotLaunch, Exit
from tomobeam_flows.launchers.container_exits import ended, never_began
from tomobeam_flows.launchers.container_runtime import GONE, Runtime, words
from tomobeam_flows.launchers.container_spec import ContainerSpec
from tomobeam_flows.launchers.gpus import Gpus
from tomobeam_flows.launchers.pipe import Output, lines_of

# A runtime that is restarted is back sooner; its containers live on meanwhile.
PATIENCE_S = 30.0
CANCELLED_PATIENCE_S = 5.0
RETRY_S = 0.5
WAIT_S = 1

T = TypeVar("T")
log = logs.get(__name__)


class Lost(Exception):
    """The runtime is away, and what became of the container is not known."""


def in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run `function` in a thread of its own, which does not hold up the end of the process."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(future)


class ContainerJob:
    """A job that runs, or waits for a GPU, and then runs, in a container."""

    def __init__(
        self,
        runtime: Runtime,
        spec: ContainerSpec,
        gpus: Gpus | None,
        grace_s: float,
        on_lost: Callable[[Callable[[], object]], None],
    ) -> None:
        self._runtime = runtime
        self._spec = spec
        self._gpus = gpus
        self._grace_s = grace_s
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._output = Output()
        self._received = 0
        self._cancelled = threading.Event()
        self._asked_to_end = asyncio.Event()
        self._overdue = False
        self._ending: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._end = asyncio.ensure_future(self._run())

    def lines(self) -> AsyncIterator[str]:
        """What the job prints, line by line, until its container has ended."""
        return lines_of(self._output.read_end, self._end)

    async def wait(self) -> Exit:
        """How the job ended, when its container has ended."""
        return await asyncio.shield(self._end)

    def cancel(self) -> None:
        """End the container: SIGTERM, grace, SIGKILL; or stop waiting for a GPU."""
        if self._cancelled.is_set() or self._end.done():
            return
        self._cancelled.set()
        self._output.give_up()
        self._asked_to_end.set()
        self._ending = asyncio.ensure_future(self._end_container())

    async def _run(self) -> Exit:
        gpu = None
        try:
            if self._gpus is not None:
                gpu = await self._gpus.take(self._asked_to_end, self._say)
                if gpu is None:
                    return Exit(-signal.SIGTERM)
            return await self._run_with(gpu)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._output.close()

    async def _run_with(self, gpu: str | None) -> Exit:
        def free() -> None:
            if self._gpus is not None and gpu is not None:
                self._gpus.give_back(gpu)

        try:
            exit_ = await in_thread(lambda: self._work(gpu))
        except Lost as error:
            # The GPU may be in use as long as the container may live.
            self._on_lost(lambda: self._loop.is_closed() or self._loop.call_soon_threadsafe(free))
            return Exit(-signal.SIGKILL, str(error))
        except CannotLaunch as error:
            exit_ = Exit(-signal.SIGKILL, str(error))
        free()
        limit = self._spec.limits.max_time_s
        return Exit(exit_.code, f"ended at its time limit of {limit} s") if self._overdue else exit_

    def _say(self, text: str) -> None:
        self._output.write(f"{text}\n".encode())

    def _begun(self) -> None:
        limit = self._spec.limits.max_time_s
        if limit is not None and not self._end.done():
            self._timer = self._loop.call_later(limit, self._time_is_up)

    def _time_is_up(self) -> None:
        if not self._cancelled.is_set():
            self._overdue = True
            self.cancel()

    async def _end_container(self) -> None:
        # Again, should it have been asked before it was begun, or the runtime been away.
        while not self._end.done():
            await in_thread(self._stop)
            await asyncio.wait({self._end}, timeout=RETRY_S)

    def _stop(self) -> None:
        try:
            with self._runtime.client() as client:
                client.containers.get(self._spec.name).stop(timeout=math.ceil(self._grace_s))
        except NotFound:
            return
        except (CannotLaunch, *GONE) as error:
            log.warning(
                "a job's container is not ended yet", name=self._spec.name, error=str(error)
            )

    def _work(self, gpu: str | None) -> Exit:
        with self._runtime.client() as client:
            try:
                container = self._spec.create(client, gpu)
            except APIError as error:
                raise CannotLaunch(
                    f"{self._runtime.kind} makes no container: {words(error)}"
                ) from error
            except GONE as error:
                raise Lost(self._lost_sentence(error)) from error
            try:
                return self._follow(container)
            finally:
                self._remove(container)

    def _follow(self, container: Container) -> Exit:
        if self._cancelled.is_set():
            return Exit(-signal.SIGTERM)
        began = time.monotonic()
        try:
            # Attached before it begins: unlike a log that is followed, complete and at once.
            live = container.attach(stream=True, stdout=True, stderr=True)
            container.start()
        except APIError as error:
            return never_began(error, self._spec.argv[0])
        except GONE as error:
            raise Lost(self._lost_sentence(error)) from error
        self._loop.call_soon_threadsafe(self._begun)
        with contextlib.suppress(*GONE):
            for chunk in live:
                self._received += len(chunk)
                self._output.write(chunk)
        state = self._wait_for_end(container)
        seconds = time.monotonic() - began
        return ended(state, self._spec.limits, self._received > 0, seconds)

    def _wait_for_end(self, container: Container) -> dict[str, Any]:
        """Wait beyond a runtime that is restarted; the container's final state."""
        away_since: float | None = None
        while True:
            try:
                over = _is_over(container)
                self._catch_up(container)
                away_since = None
                if over:
                    container.reload()
                    return container.attrs["State"]
            except NotFound:
                return {"ExitCode": 128 + signal.SIGKILL}  # Somebody removed it.
            except GONE as error:
                now = time.monotonic()
                away_since = away_since or now
                patience = CANCELLED_PATIENCE_S if self._cancelled.is_set() else PATIENCE_S
                if now - away_since > patience:
                    raise Lost(self._lost_sentence(error)) from error
                time.sleep(RETRY_S)

    def _catch_up(self, container: Container) -> None:
        """Hand on what the log has beyond what was received: nothing, unless it was cut off."""
        position = 0
        for chunk in container.logs(stream=True, follow=False):
            new = chunk[max(0, self._received - position) :]
            position += len(chunk)
            if new:
                self._received += len(new)
                self._output.write(new)

    def _remove(self, container: Container) -> None:
        try:
            container.remove(force=True, v=True)
        except NotFound:
            return
        except GONE as error:
            log.warning("a job's container is removed later", error=words(error))
            self._on_lost(lambda: None)

    def _lost_sentence(self, error: Exception) -> str:
        return (
            f"{self._runtime.kind} at {self._runtime.socket} went away while the job ran "
            f"({words(error)}); its container is ended once it is back"
        )


def _is_over(container: Container) -> bool:
    try:
        container.wait(timeout=WAIT_S)
    except (requests.ConnectionError, requests.Timeout):
        return False
    return True
