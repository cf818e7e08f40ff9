"""A path that somebody says is ready, with every message that says so."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from tomobeam_contracts.scan import ScanReady
from tomobeam_ingester.broker import Delivery
from tomobeam_ingester.complete import Sightings
from tomobeam_ingester.message import merge
from tomobeam_ingester.outcome import NotYet, PartnerAway, Reason, Refused


@dataclass
class Job:
    """Work keyed by the path; messages that come while it waits or runs are added to it.

    `path` is None where the message itself is refused, or is only a `hint` that writing goes on.
    """

    key: str
    path: Path | None
    message: ScanReady | None = None
    refusal: Refused | None = None
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    hint: bool = False
    sightings: Sightings = field(default_factory=Sightings)
    started: float = field(default_factory=time.time)
    attempts: int = 0
    faults: int = 0
    waits_for: str = ""
    away: PartnerAway | None = None
    running: bool = False
    held: bool = False
    due: float = 0.0

    def add(self, delivery: Delivery, message: ScanReady | None) -> None:
        """Add a message; one that comes again replaces itself, whose connection is gone."""
        self.deliveries[delivery.message_id] = delivery
        if message is not None:
            self.message = merge(self.message, message)

    @property
    def oldest(self) -> float:
        """When the first of its messages was sent, or the scan found it."""
        return min((one.sent for one in self.deliveries.values()), default=self.started)

    def describe(self, now: float) -> dict[str, object]:
        """One line of the status."""
        return {
            "path": str(self.path) if self.path else self.key,
            "waits_for": self.waits_for or ("being handled" if self.running else "its turn"),
            "age_s": round(now - self.oldest, 1),
            "messages": len(self.deliveries),
            "attempts": self.attempts,
        }


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to look."""

    poll_s: float
    incomplete_limit_s: float
    missing_limit_s: float
    retry_limit_s: float

    def next_look(self, job: Job, now: float) -> float:
        """Look less often at what has not changed for long."""
        still = now - max(job.started, job.sightings.last_change)
        return now + min(max(self.poll_s, still / 20), max(self.poll_s, 60.0))

    def next_attempt(self, attempts: int, now: float) -> float:
        """Back off from a partner that is away."""
        return now + min(0.5 * 2.0 ** min(attempts, 10), self.retry_limit_s)

    def given_up(self, job: Job, wait: NotYet, since: float, now: float) -> Refused | None:
        """The refusal of a stack that has been incomplete and unchanged for too long."""
        fault = wait.fault
        absent = fault.reason is Reason.NO_SUCH_PATH
        limit = self.missing_limit_s if absent else self.incomplete_limit_s
        waited = now - max(since, job.sightings.last_change)
        if waited < limit:
            return None
        setting = "MISSING" if absent else "INCOMPLETE"
        return Refused(
            fault.reason,
            f"{fault.sentence}; nothing changed for {waited:.0f} s "
            f"(TOMOBEAM_INGESTER_{setting}_LIMIT_S)",
        )
