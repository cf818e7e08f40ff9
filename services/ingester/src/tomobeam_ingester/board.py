"""Which jobs there are and which is next: one job a path, one worker a source."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tomobeam_ingester.broker import Delivery
from tomobeam_ingester.job import Job
from tomobeam_ingester.outcome import PartnerAway


class Busy(Exception):
    """Another job handles the same source; this one is put back when that ends."""


class Board:
    """The jobs, shared by the workers, the connection and the scan."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._heap: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._sources: dict[str, list[Job]] = {}
        self._away: dict[str, tuple[PartnerAway, float, float]] = {}
        self._closed = False

    def put(self, job: Job, delivery: Delivery | None = None) -> None:
        """Add a job, or its message to the job of that path."""
        with self._changed:
            known = self._jobs.get(job.key)
            target = known or job
            fresh = delivery is not None and delivery.message_id not in target.deliveries
            if delivery is not None:
                target.add(delivery, job.message)
            if known is None:
                self._jobs[job.key] = job
            # A new message may bring what was missed: look at once.
            if (known is None or fresh) and not target.running:
                self._push(target, time.time())

    def take(self) -> Job | None:
        """Wait for a job that is due; None once the board is closed."""
        with self._changed:
            while not self._closed:
                now = time.time()
                while self._heap and self._stale(self._heap[0]):
                    heapq.heappop(self._heap)
                if self._heap and self._heap[0][0] <= now:
                    job = heapq.heappop(self._heap)[2]
                    if (until := self._held_until(now)) is not None:
                        job.held = True
                        self._push(job, until)
                        continue
                    job.held = False
                    job.running = True
                    return job
                self._changed.wait(self._heap[0][0] - now if self._heap else None)
            return None

    def again(self, job: Job, due: float) -> None:
        """Put a job back until `due`."""
        with self._changed:
            job.running = False
            self._push(job, due)

    def done(self, job: Job, answered: list[Delivery]) -> list[Delivery]:
        """End a job; the same messages that came again meanwhile are returned to be answered.

        Messages that are new keep the job on the board.
        """
        with self._changed:
            ids = {delivery.message_id for delivery in answered}
            repeated = [
                job.deliveries[one.message_id]
                for one in answered
                if job.deliveries.get(one.message_id) not in (None, one)
            ]
            for message_id in ids:
                job.deliveries.pop(message_id, None)
            job.running = False
            if job.deliveries:
                self._push(job, time.time())
            else:
                self._jobs.pop(job.key, None)
            return repeated

    @contextmanager
    def source(self, path: str, job: Job) -> Iterator[None]:
        """Hold a source for one job.

        Raises:
            Busy: another has it; the job is put back as soon as that ends.
        """
        with self._changed:
            if path in self._sources:
                self._sources[path].append(job)
                raise Busy
            self._sources[path] = []
        try:
            yield
        finally:
            with self._changed:
                for waiting in self._sources.pop(path):
                    waiting.running = False
                    self._push(waiting, time.time())

    def hold(self, away: PartnerAway, until: float) -> None:
        """Let nobody start anything before `until`: a partner of all jobs is away."""
        with self._changed:
            _, since, before = self._away.get(away.part, (None, time.time(), 0.0))
            self._away[away.part] = (away, since, max(before, until))

    def release(self, *parts: str) -> None:
        """These partners are back: what waited for them goes on at once."""
        with self._changed:
            back = [part for part in parts if self._away.pop(part, None) is not None]
            if not back:
                return
            for job in self._jobs.values():
                waited = job.away is not None and job.away.part in back
                if (waited or job.held) and not job.running:
                    job.away = None
                    self._push(job, time.time())

    def away(self) -> dict[str, tuple[PartnerAway, float]]:
        """The partners that are away, with since when."""
        with self._changed:
            return {part: (away, since) for part, (away, since, _) in self._away.items()}

    def jobs(self) -> list[Job]:
        """Every job on the board, the oldest first."""
        with self._changed:
            return sorted(self._jobs.values(), key=lambda job: job.oldest)

    def close(self) -> None:
        """Let no worker take another job."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _held_until(self, now: float) -> float | None:
        untils = [until for away, _, until in self._away.values() if until > now]
        return max(untils, default=None)

    def _push(self, job: Job, due: float) -> None:
        job.due = due
        heapq.heappush(self._heap, (due, next(self._order), job))
        self._changed.notify()

    def _stale(self, entry: tuple[float, int, Job]) -> bool:
        due, _, job = entry
        return job.running or job.due != due or self._jobs.get(job.key) is not job
