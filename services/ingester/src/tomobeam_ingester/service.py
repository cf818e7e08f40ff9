"""`tomobeam-ingester run`: the parts put together, watched and stopped."""

from __future__ import annotations

import threading
import time
from typing import Any

from tomobeam_common import logs
from tomobeam_common.health import HealthServer, notify_systemd
from tomobeam_common.tiled import TiledClient
from tomobeam_ingester.catch_up import Bounds, CatchUp, Found
from tomobeam_ingester.complete import Judge
from tomobeam_ingester.engine import Engine
from tomobeam_ingester.job import Job, Patience
from tomobeam_ingester.listener import Listener
from tomobeam_ingester.metrics import Metrics
from tomobeam_ingester.notes import Notes
from tomobeam_ingester.outcome import DiskFull, PartnerAway
from tomobeam_ingester.paths import Roots
from tomobeam_ingester.register import Registrar
from tomobeam_ingester.settings import IngesterSettings

log = logs.get(__name__)

WATCH_S = 5.0
FINISH_S = 5.0
LISTED = 50
TILED_TIMEOUT_S = 60.0


def make_judge(settings: IngesterSettings) -> Judge:
    """What decides whether a stack is complete."""
    roots = Roots(settings.readable_roots, settings.path_map)
    return Judge(roots, settings.ingester_settle_s)


def make_catch_up(settings: IngesterSettings, judge: Judge, registrar: Registrar) -> CatchUp:
    """What looks for stacks that nobody announced."""
    bounds = Bounds(
        settings.ingester_scan_depth,
        settings.ingester_scan_folders,
        settings.ingester_scan_exclude,
    )
    return CatchUp(judge.roots, registrar, bounds)


class Service:
    """The running ingester."""

    def __init__(self, settings: IngesterSettings) -> None:
        """Put the parts together.

        Raises:
            OSError: the state folder or the port cannot be used.
        """
        self._settings = settings
        self._stopping = threading.Event()
        self._notes = Notes(settings.ingester_state)
        self._metrics = Metrics()
        self._tiled = TiledClient(settings.tiled_url, settings.tiled_api_key, TILED_TIMEOUT_S)
        registrar = Registrar(self._tiled)
        judge = make_judge(settings)
        self._engine = Engine(
            judge=judge,
            registrar=registrar,
            notes=self._notes,
            patience=Patience(
                settings.ingester_poll_s,
                settings.ingester_incomplete_limit_s,
                settings.ingester_missing_limit_s,
                settings.ingester_retry_limit_s,
            ),
            metrics=self._metrics,
            max_body=settings.ingester_max_body,
        )
        self._catch_up = make_catch_up(settings, judge, registrar)
        self._engine.on_found_refused = self._found_refused
        self._listener = Listener(settings, self._engine.deliver, self._metrics)
        self._health = HealthServer(
            settings.ingester_port, self.report, host=settings.listen_address
        )
        self._last_scan: dict[str, Any] = {}
        self._scanner = threading.Thread(target=self._scan, name="catch-up", daemon=True)
        self._watch()

    def _found_refused(self, job: Job) -> None:
        if job.path is not None:
            self._catch_up.refused(job.path)

    def _watch(self) -> None:
        board, watch = self._engine.board, self._metrics.watch
        watch("waiting", "Paths being handled or waited for", lambda: len(board.jobs()))
        watch("oldest_unhandled_seconds", "Age of the oldest unanswered message", self._oldest)
        watch("broker_connected", "1 or 0", lambda: float(self._listener.connected))
        watch("partners_away", "Tiled, store or disk", lambda: len(board.away()))

    def _oldest(self) -> float:
        asked = [job.oldest for job in self._engine.board.jobs() if job.deliveries]
        return max(0.0, time.time() - min(asked)) if asked else 0.0

    def run(self) -> None:
        """Serve until `stop`."""
        with self._health:
            self._engine.start(self._settings.ingester_workers)
            self._listener.start()
            self._scanner.start()
            log.info("started", port=self._health.port, roots=self._settings.readable_roots)
            notify_systemd()
            while not self._stopping.wait(WATCH_S):
                self._check_disk()
            notify_systemd("STOPPING=1")
            finished = self._engine.stop(FINISH_S)
            self._listener.stop()
            self._tiled.close()
            log.info("stopped", finished=finished)

    def stop(self) -> None:
        """Finish what is in hand and end `run`."""
        self._stopping.set()

    def _check_disk(self) -> None:
        try:
            self._notes.check()
        except DiskFull as full:
            log.error("disk_full", why=str(full))
            self._engine.board.hold(full, time.time() + 2 * WATCH_S)
        except OSError as error:
            log.error("notes_not_written", why=str(error))
        else:
            self._engine.board.release("disk")

    def _scan(self) -> None:
        while not self._stopping.is_set():
            pause = self._settings.ingester_scan_every_s
            try:
                self._take(self._catch_up.scan())
            except PartnerAway as away:
                log.warning("scan_put_off", why=str(away))
                pause = self._settings.ingester_retry_limit_s
            except Exception as error:
                log.error("scan_failed", exc_info=error)
            if pause == 0:
                return
            self._stopping.wait(pause)

    def _take(self, found: Found) -> None:
        for path in found.new:
            self._engine.found(path)
        self._last_scan = {
            "at": time.time(),
            "folders": found.folders,
            "stacks": found.stacks,
            "known": found.known,
            "new": len(found.new),
            "cut_short": found.cut_short,
        }

    def report(self) -> dict[str, Any]:
        """What `/healthz` answers. `ok` says that we do our work, also while a partner is away."""
        now = time.time()
        board = self._engine.board
        faults = {
            part: {"why": str(away), "for_s": round(now - since, 1)}
            for part, (away, since) in board.away().items()
        }
        if not self._listener.connected:
            why = self._listener.fault
            faults["broker"] = {"why": why, "for_s": round(now - self._listener.since, 1)}
        jobs = board.jobs()
        return {
            "ok": self._engine.alive and self._listener.alive,
            "state": self._state(faults),
            "away": faults,
            "waiting": len(jobs),
            "oldest_unhandled_s": round(self._oldest(), 1),
            "dead_letters": self._metrics.dead_letters(),
            "jobs": [job.describe(now) for job in jobs[:LISTED]],
            "last_scan": self._last_scan,
        }

    def _state(self, faults: dict[str, Any]) -> str:
        if self._stopping.is_set():
            return "stopping"
        if "disk" in faults:
            return "paused"
        return "degraded" if faults else "listening"
