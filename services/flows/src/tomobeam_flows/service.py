"""The worker as a service: waits for Prefect, answers `/healthz`, ends cleanly at SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any

import httpx

from tomobeam_common import logs
from tomobeam_common.health import HealthServer, notify_systemd
from tomobeam_common.settings import PrefectSettings
from tomobeam_flows.settings import WorkerSettings

if TYPE_CHECKING:
    from tomobeam_flows.worker import TomobeamWorker

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
# Prefect's client tries for 14 s before a look for runs counts as failed.
SILENT_AFTER_S = 30.0
# Grace for the jobs and last words; supervisors wait longer.
STOP_LIMIT_S = 20.0

log = logs.get(__name__)


class LoginRefused(RuntimeError):
    """Prefect refuses our login."""


async def wait_for_prefect(settings: PrefectSettings) -> None:
    """Wait until the server answers, however long.

    Raises:
        LoginRefused: it does not take our login.
    """
    user, _, password = settings.prefect_auth.get_secret_value().partition(":")
    url = f"{settings.prefect_api_url.rstrip('/')}/admin/version"
    pause = FIRST_PAUSE_S
    async with httpx.AsyncClient(auth=(user, password), timeout=10.0) as client:
        while True:
            try:
                answer = await client.get(url)
                if answer.status_code in (401, 403):
                    raise LoginRefused(
                        f"TOMOBEAM_PREFECT_AUTH: {settings.prefect_api_url} refuses this login"
                    )
                if answer.is_success:
                    return
                problem = f"it answers {answer.status_code}"
            except httpx.TransportError as error:
                problem = str(error) or repr(error)
            log.info("waiting for Prefect", url=settings.prefect_api_url, problem=problem)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)


class Service:
    """One worker and its health page."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._worker: TomobeamWorker | None = None

    def check(self) -> dict[str, Any]:
        """What `/healthz` answers."""
        worker = self._worker
        if worker is None:
            return {"ok": False, "reason": "waiting for Prefect"}
        silent = time.monotonic() - worker.last_answer > SILENT_AFTER_S
        reason = worker.trouble or ("Prefect does not answer" if silent else "")
        return {"ok": not reason, "reason": reason, "name": worker.name}

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            LoginRefused, tomobeam_flows.worker.WorkerInUse, OSError: the port is in use.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("not in a task")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, task)
        settings = self._settings
        with HealthServer(settings.worker_port, self.check, host=settings.listen_address):
            notify_systemd()
            try:
                await wait_for_prefect(self._settings)
                await self._work()
            except asyncio.CancelledError:
                log.info("worker stopped")

    def _stop(self, task: asyncio.Task[None]) -> None:
        log.info("worker is asked to stop")
        task.cancel()
        # Whatever still waits for a server then, recovery says at the next start.
        asyncio.get_running_loop().call_later(STOP_LIMIT_S, task.cancel)

    async def _work(self) -> None:
        # It imports for seconds; until then the health page already answers.
        from tomobeam_flows.worker import TomobeamWorker

        self._worker = TomobeamWorker(
            work_pool_name=self._settings.work_pool,
            name=self._settings.worker_name,
            # Provisioning makes it, with its limit.
            create_pool_if_not_found=False,
            settings=self._settings,
        )
        await self._worker.start(printer=log.info)
