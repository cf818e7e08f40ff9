"""The workers: from a job to a registered stack and an answered message."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tomobeam_common import logs
from tomobeam_contracts.scan import ScanReady, ScanStatus
from tomobeam_ingester.board import Board, Busy
from tomobeam_ingester.broker import Delivery, LinkLost
from tomobeam_ingester.complete import Judge
from tomobeam_ingester.job import Job, Patience
from tomobeam_ingester.message import read_message
from tomobeam_ingester.metrics import Metrics
from tomobeam_ingester.notes import Notes
from tomobeam_ingester.outcome import DiskFull, NotYet, PartnerAway, Reason, Refused
from tomobeam_ingester.register import Registered, Registrar, TiledAway

log = logs.get(__name__)

UNEXPECTED_LIMIT = 5


class Engine:
    """Takes deliveries and found paths, and answers for each."""

    def __init__(
        self,
        *,
        judge: Judge,
        registrar: Registrar,
        notes: Notes,
        patience: Patience,
        metrics: Metrics,
        max_body: int,
    ) -> None:
        self.board = Board()
        self._judge, self._registrar, self._notes = judge, registrar, notes
        self._patience, self._metrics, self._max_body = patience, metrics, max_body
        self._threads: list[threading.Thread] = []
        self.on_found_refused: Callable[[Job], None] | None = None

    def start(self, workers: int) -> None:
        """Start the worker threads."""
        for number in range(workers):
            thread = threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout_s: float) -> bool:
        """Finish the work in hand; False if some had to be left, unacknowledged."""
        self.board.close()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def alive(self) -> bool:
        """Whether every worker runs."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def deliver(self, delivery: Delivery) -> None:
        """Take a message in; returns at once."""
        self._metrics.received.inc()
        log.info("received", message_id=delivery.message_id, bytes=len(delivery.body))
        try:
            message = read_message(delivery.body, self._max_body)
            path = self._judge.roots.translate(message.file_path)
        except Refused as refusal:
            key = f"message {delivery.message_id}"
            self.board.put(Job(key, None, refusal=refusal), delivery)
            return
        if message.status in (ScanStatus.STARTED, ScanStatus.UPDATED):
            self._metrics.hints.inc()
            self.board.put(Job(f"message {delivery.message_id}", None, hint=True), delivery)
            return
        self.board.put(Job(str(path), path, message=message), delivery)

    def found(self, path: Path) -> None:
        """Take in what a scan found."""
        message = ScanReady(filePath=str(path))
        self.board.put(Job(str(path), path, message=message))

    def _work(self) -> None:
        while (job := self.board.take()) is not None:
            job.attempts += 1
            taken = list(job.deliveries.values())
            try:
                refusal = self._handle(job, taken)
            except Busy:
                continue
            except NotYet as wait:
                refusal = self._wait(job, wait)
                if refusal is None:
                    continue
            except PartnerAway as away:
                self._back_off(job, away)
                continue
            except Exception as error:  # noqa: BLE001 - one scan must not make us deaf to others
                refusal = self._unexpected(job, error)
                if refusal is None:
                    continue
            self._answer(job, taken, refusal)

    def _handle(self, job: Job, taken: list[Delivery]) -> Refused | None:
        """Register the job's stack; a refusal is returned, all else that stops it is raised."""
        if job.refusal is not None or job.hint:
            return job.refusal
        message, path = job.message, job.path
        if message is None or path is None:
            raise ValueError(f"the job {job.key} has neither message nor path")
        try:
            with self._metrics.step_seconds.labels("decide").time():
                candidate, stack = self._judge.decide(path, message, job.sightings)
            self.board.release("store")
            with (
                self.board.source(str(candidate.path), job),
                self._metrics.step_seconds.labels("register").time(),
            ):
                message_id = taken[-1].message_id if taken else None
                result = self._registrar.register(candidate, stack, message, message_id)
        except Refused as refusal:
            return refusal
        self.board.release("tiled")
        self._report(job, result, str(candidate.path), stack.shape)
        return None

    def _report(self, job: Job, result: Registered, source: str, shape: tuple[int, ...]) -> None:
        self._metrics.stacks.labels(str(result.change)).inc()
        log.info(
            str(result.change),
            key=result.key,
            source=source,
            shape=shape,
            seconds=round(time.time() - job.oldest, 3),
        )

    def _wait(self, job: Job, wait: NotYet) -> Refused | None:
        """Look again later; the refusal if it has waited long enough."""
        self.board.release("store")
        now = time.time()
        job.away = None
        if not job.deliveries:
            # The next scan finds it again.
            log.debug("found_incomplete", path=job.key, why=str(wait))
            self.board.done(job, [])
            return None
        try:
            since = self._notes.since(job.key, now)
        except DiskFull as full:
            self._back_off(job, full)
            return None
        self.board.release("disk")
        refusal = self._patience.given_up(job, wait, since, now)
        if refusal is not None:
            return refusal
        if job.waits_for != str(wait):
            log.info("waiting", path=job.key, why=str(wait))
        job.waits_for = str(wait)
        self.board.again(job, self._patience.next_look(job, now))
        return None

    def _back_off(self, job: Job, away: PartnerAway) -> None:
        self._metrics.faults.labels(away.part).inc()
        job.faults += 1
        if job.waits_for != str(away):
            log.warning("partner_away", part=away.part, why=str(away), path=job.key)
        job.waits_for, job.away = str(away), away
        until = self._patience.next_attempt(job.faults, time.time())
        # A store may be several; a fault of one request of Tiled's need not be one of all.
        for_all = isinstance(away, DiskFull) or (isinstance(away, TiledAway) and away.whole)
        self.board.hold(away, until if for_all else 0.0)
        self.board.again(job, until)

    def _unexpected(self, job: Job, error: Exception) -> Refused | None:
        job.faults += 1
        log.error("unexpected", path=job.key, exc_info=error)
        if job.faults >= UNEXPECTED_LIMIT:
            return Refused(Reason.UNEXPECTED, f"{job.key}: {type(error).__name__}: {error}")
        job.waits_for = f"another attempt after {type(error).__name__}"
        self.board.again(job, self._patience.next_attempt(job.faults, time.time()))
        return None

    def _answer(self, job: Job, taken: list[Delivery], refusal: Refused | None) -> None:
        try:
            self._notes.forget(job.key)
        except (DiskFull, OSError) as error:
            log.warning("note_kept", path=job.key, why=str(error))
        if refusal is not None and not taken:
            self._metrics.refused.labels(str(refusal.reason)).inc()
            log.warning("found_refused", path=job.key, why=refusal.sentence)
            if self.on_found_refused is not None:
                self.on_found_refused(job)
        with self._metrics.step_seconds.labels("answer").time():
            for delivery in taken:
                self._reply(delivery, refusal)
        for delivery in self.board.done(job, taken):
            self._reply(delivery, refusal)

    def _reply(self, delivery: Delivery, refusal: Refused | None) -> None:
        try:
            if refusal is None:
                delivery.link.ack(delivery)
                return
            delivery.link.bury(delivery, refusal)
        except LinkLost as lost:
            # It comes again on the next connection and is answered then.
            log.info("unanswered", message_id=delivery.message_id, why=str(lost))
            return
        self._metrics.dead.labels(str(refusal.reason)).inc()
        log.warning("dead", message_id=delivery.message_id, why=refusal.header)
