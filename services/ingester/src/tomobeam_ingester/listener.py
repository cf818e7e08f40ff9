"""Keeping a connection to the broker, whatever happens to it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from tomobeam_common import logs
from tomobeam_ingester.broker import Delivery, Link, LinkLost
from tomobeam_ingester.metrics import Metrics
from tomobeam_ingester.settings import IngesterSettings

log = logs.get(__name__)

FIRST_PAUSE_S = 0.25


class Listener:
    """A thread that connects, subscribes, and does so again when the connection is lost."""

    def __init__(
        self,
        settings: IngesterSettings,
        on_delivery: Callable[[Delivery], None],
        metrics: Metrics,
    ) -> None:
        self._settings, self._on_delivery, self._metrics = settings, on_delivery, metrics
        self._stopping = threading.Event()
        self._link: Link | None = None
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self.fault = "not connected yet"
        self.since = time.time()

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        link = self._link
        return link is not None and not link.closed.is_set()

    def stop(self) -> None:
        """End the connection; what is unacknowledged goes back to the queue."""
        self._stopping.set()
        if self._link is not None:
            self._link.close()
        self._thread.join(3.0)

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._stopping.is_set():
            link = Link(
                self._settings,
                self._settings.ingest_queue,
                self._on_delivery,
                self._settings.ingester_prefetch,
                self._settings.ingester_heartbeat_s,
            )
            try:
                link.open()
            except LinkLost as lost:
                self._say(str(lost))
                # Apart from one another, so that a broker that comes back is not stormed.
                self._stopping.wait(pause * random.uniform(0.8, 1.2))
                pause = min(pause * 2, self._settings.ingester_retry_limit_s)
                continue
            pause = FIRST_PAUSE_S
            self._link, self.fault, self.since = link, "", time.time()
            self._metrics.reconnects.inc()
            log.info("listening", queue=self._settings.ingest_queue)
            while not self._stopping.is_set() and not link.closed.wait(1.0):
                pass
            if not self._stopping.is_set():
                self._say(f"the connection to the broker was lost: {link.fault or 'closed'}")
                link.close()
                self._stopping.wait(pause * random.uniform(0.8, 1.2))

    def _say(self, fault: str) -> None:
        if fault != self.fault:
            log.warning("broker_away", why=fault)
        if not self.fault:
            self.since = time.time()
        self.fault = fault
