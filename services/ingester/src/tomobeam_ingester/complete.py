"""When a stack is complete: what was declared, or that nothing changes any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomobeam_contracts.scan import ScanReady
from tomobeam_ingester.outcome import NotYet, Reason, Refused
from tomobeam_ingester.paths import Roots
from tomobeam_ingester.resolve import inspect, resolve, survey
from tomobeam_ingester.stacks import hdf5
from tomobeam_ingester.stacks.forms import Candidate, Form, Stack, Survey


@dataclass
class Sightings:
    """What was seen of one path at earlier looks, so that a change is noticed."""

    signatures: dict[Path, tuple[Any, ...]] = field(default_factory=dict)
    since: dict[Path, float] = field(default_factory=dict)
    last_change: float = 0.0

    def quiet_for(self, candidate: Candidate, seen: Survey, now: float) -> float:
        """Seconds for which the stack is known to be unchanged."""
        if self.signatures.get(candidate.path) != seen.signature:
            if candidate.path in self.signatures:
                self.last_change = now
            self.signatures[candidate.path] = seen.signature
            self.since[candidate.path] = now
        if seen.newest <= now:
            self.last_change = max(self.last_change, seen.newest)
        # A clock that runs ahead of ours gives a negative age: then only our own looks count.
        return max(now - self.since[candidate.path], now - seen.newest)


@dataclass(frozen=True)
class Judge:
    """Decides which stack a path means and whether it is complete."""

    roots: Roots
    settle_s: float
    clock: Callable[[], float] = time.time

    def decide(
        self, path: Path, message: ScanReady, sightings: Sightings
    ) -> tuple[Candidate, Stack]:
        """The one stack to register, looked at in full.

        Raises:
            NotYet: it may still become complete.
            Refused: it is settled and will not do.
            StoreAway
        """
        first: NotYet | Refused | None = None
        for candidate in resolve(path, self.roots):
            try:
                return candidate, self._whole(candidate, message, sightings)
            except NotYet as wait:
                # One that still changes is waited for; one that came to rest is passed over.
                if self._changing(candidate, sightings):
                    raise
                first = first or wait
            except Refused as refusal:
                first = first or refusal
        if first is None:
            raise Refused(Reason.NO_STACK, f"{path} means no stack")
        raise first

    def _changing(self, candidate: Candidate, sightings: Sightings) -> bool:
        try:
            seen = survey(candidate)
        except NotYet:
            return False
        return sightings.quiet_for(candidate, seen, self.clock()) < self.settle_s

    def _whole(self, candidate: Candidate, message: ScanReady, sightings: Sightings) -> Stack:
        seen = survey(candidate)
        quiet = sightings.quiet_for(candidate, seen, self.clock()) >= self.settle_s
        declared = _declared(candidate, message)
        if declared is not None and seen.count is not None and seen.count < declared:
            raise NotYet(_short(candidate, seen.count, declared))
        ended = message.status is not None and message.status.writing_has_ended
        counted = declared is not None and seen.count is not None
        if not (quiet or ended or counted):
            raise NotYet(Refused(Reason.INCOMPLETE, f"{candidate.path} is still being written"))
        try:
            stack = inspect(candidate, self.roots)
        except Refused as refusal:
            if quiet and refusal.reason is not Reason.INCOMPLETE:
                raise
            raise NotYet(refusal) from refusal
        if declared is not None and stack.shape[0] < declared:
            raise NotYet(_short(candidate, stack.shape[0], declared))
        return stack


def _declared(candidate: Candidate, message: ScanReady) -> int | None:
    if message.image_count is not None:
        return message.image_count
    if candidate.process_file is not None and candidate.form is Form.TIFF_SEQUENCE:
        return hdf5.count_of(candidate.process_file)
    return None


def _short(candidate: Candidate, found: int, declared: int) -> Refused:
    return Refused(
        Reason.INCOMPLETE, f"{candidate.path} has {found} of the {declared} images declared"
    )
