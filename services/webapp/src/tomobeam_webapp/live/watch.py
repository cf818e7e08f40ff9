"""The watcher: in one process at a time, a thread for each feed."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Sequence
from typing import IO

from tomobeam_common import logs
from tomobeam_webapp.settings import StateSettings

_log = logs.get(__name__)
TURN_S = 1.0

Run = Callable[[threading.Event], None]


class Watch:
    """Waits for its turn among the processes, then runs every feed until the end.

    The lock goes with the process that holds it, however that ends, and the next takes over.
    """

    def __init__(self, settings: StateSettings, feeds: Sequence[Run]) -> None:
        self._settings = settings
        self._feeds = feeds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._wait_for_turn, name="watch", daemon=True)

    def start(self) -> None:
        """Begin in the background; call it in the process that serves, after any fork."""
        self._thread.start()

    def stop(self) -> None:
        """End the feeds of this process."""
        self._stop.set()
        self._thread.join()

    def _wait_for_turn(self) -> None:
        with (self._settings.webapp_state / "watch.lock").open("w") as lock:
            while not _taken(lock):
                if self._stop.wait(TURN_S):
                    return
            self._run()

    def _run(self) -> None:
        threads = [
            threading.Thread(target=_guard, args=(feed, self._stop), daemon=True)
            for feed in self._feeds
        ]
        for thread in threads:
            thread.start()
        self._stop.wait()
        for thread in threads:
            thread.join()


def _guard(feed: Run, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            feed(stop)
        except Exception:  # noqa: BLE001 - a fault of ours must not end the watching for good
            _log.exception("a feed failed and is started again")
            stop.wait(TURN_S)


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
