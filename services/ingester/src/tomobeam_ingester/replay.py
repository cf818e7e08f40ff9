"""Putting dead letters back into the ingest queue, one by one, each in a transaction."""

from __future__ import annotations

import queue
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from tomobeam_common.settings import BrokerSettings
from tomobeam_contracts.destinations import REASON_HEADER
from tomobeam_ingester.broker import REPLAY_HEADER, Delivery, Link, LinkLost

PREFETCH = 10_000


@dataclass(frozen=True)
class Letter:
    """A dead letter, and whether it was put back."""

    reason: str
    body: str
    replayed: bool


def replay(
    settings: BrokerSettings, limit: int | None, match: str | None, *, idle_s: float, dry: bool
) -> Iterator[Letter]:
    """Put back the dead letters whose reason or body has `match` in it, at most `limit`.

    Ends when none has come for `idle_s` seconds: STOMP has no word for an empty queue.
    The others stay where they are.

    Raises:
        LinkLost: the broker is away; what was put back before stays put back.
        re.error: `match` is no regular expression.
    """
    pattern = re.compile(match) if match else None
    arrived: queue.Queue[Delivery] = queue.Queue()
    link = Link(settings, settings.dead_letter_queue, arrived.put, PREFETCH)
    link.open()
    run, done = uuid.uuid4().hex, 0
    try:
        while limit is None or done < limit:
            try:
                letter = arrived.get(timeout=idle_s)
            except queue.Empty:
                if link.closed.is_set():
                    raise LinkLost(f"the connection was lost: {link.fault}") from None
                return
            reason = letter.headers.get(REASON_HEADER, "put there by the broker")
            body = letter.body.decode("utf-8", "replace")
            # One that is refused again comes back while we are here.
            again = letter.headers.get(REPLAY_HEADER) == run
            wanted = not again and (pattern is None or pattern.search(f"{reason}\n{body}"))
            if wanted:
                done += 1
                if not dry:
                    link.move(letter, settings.ingest_queue, {REPLAY_HEADER: run})
            if not again:
                yield Letter(reason, body, bool(wanted) and not dry)
    finally:
        link.close()
