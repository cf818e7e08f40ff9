"""Ends the containers that no job of this worker speaks for, now or once the runtime is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from docker.errors import NotFound
from docker.models.containers import Container

from tomobeam_common import logs
from tomobeam_flows.launchers import CannotLaunch
from tomobeam_flows.launchers.container_runtime import GONE, Runtime, words

WORKER_LABEL = "tomobeam.worker"
JOB_LABEL = "tomobeam.job"
PARENT_LABEL = "tomobeam.parent"
RETRY_S = 2.0

log = logs.get(__name__)


class Orphans:
    """The containers with this worker's label; `spoken_for` are the ids of its jobs."""

    def __init__(self, runtime: Runtime, worker: str, spoken_for: set[str]) -> None:
        self._runtime = runtime
        self._worker = worker
        self._spoken_for = spoken_for
        self._lock = threading.Lock()
        self._afterwards: list[Callable[[], object]] = []
        self._later = False

    def end(self) -> list[tuple[str, str]]:
        """End and remove them; (job id, parent id) of each.

        Raises:
            CannotLaunch: the runtime does not answer.
        """
        jobs = []
        with self._runtime.client() as client:
            try:
                label: dict[str, Any] = {"label": f"{WORKER_LABEL}={self._worker}"}
                found = client.containers.list(all=True, filters=label, ignore_removed=True)
                for container in found:
                    job = container.labels.get(JOB_LABEL, "")
                    if job not in self._spoken_for:
                        self._end_one(container)
                        jobs.append((job, container.labels.get(PARENT_LABEL, "")))
            except GONE as error:
                raise CannotLaunch(f"{self._runtime.kind} went away: {words(error)}") from error
        return jobs

    def end_later(self, afterwards: Callable[[], object] | None = None) -> None:
        """End them once the runtime answers, then call `afterwards`, from another thread."""
        with self._lock:
            if afterwards is not None:
                self._afterwards.append(afterwards)
            if self._later:
                return
            self._later = True
        threading.Thread(target=self._keep_trying, daemon=True).start()

    def _keep_trying(self) -> None:
        while True:
            time.sleep(RETRY_S)
            with self._lock:
                promised = len(self._afterwards)
            try:
                self.end()
            except CannotLaunch:
                continue
            with self._lock:
                done, self._afterwards = self._afterwards[:promised], self._afterwards[promised:]
                self._later = bool(self._afterwards)
                again = self._later
            for call in done:
                call()
            if not again:
                return

    def _end_one(self, container: Container) -> None:
        log.warning("a container without its worker is ended", name=container.name)
        try:
            container.kill()
        except NotFound:
            return
        except GONE as error:
            log.info("it had ended", name=container.name, said=words(error))
        container.remove(force=True, v=True)
