"""Lists of documents with a version that grows by every change, in the page's database."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tomobeam_webapp.context import Base

Body = dict[str, Any]
# A watcher that has been silent for so long is taken for dead.
SILENT_S = 90.0
CHECKED_EVERY_S = 5.0


class FeedRow(Base):
    """One list and how its source is."""

    __tablename__ = "feeds"
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=0)
    fault: Mapped[str | None]
    checked_at: Mapped[float] = mapped_column(default=0.0)


class EntryRow(Base):
    """One document of a list; `position` grows in the order of the source."""

    __tablename__ = "feed_entries"
    feed: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    digest: Mapped[str]
    body: Mapped[str]


@dataclass(frozen=True)
class FeedState:
    """A list's version; `fault` is a sentence where its source does not answer."""

    version: int
    fault: str | None
    loaded: bool


UNREAD = FeedState(version=0, fault=None, loaded=False)


class Mirror:
    """Safe for threads and processes; one process at a time writes a feed."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(readonly=True)
        self._cache: dict[str, tuple[int, dict[str, Body]]] = {}
        self._lock = threading.Lock()

    def states(self) -> dict[str, FeedState]:
        """Every feed's version and fault."""
        now = time.time()
        with Session(self._reader) as session:
            return {
                row.name: FeedState(
                    row.version,
                    row.fault
                    or ("The page is not being kept up to date." if _silent(row, now) else None),
                    row.checked_at > 0,
                )
                for row in session.scalars(select(FeedRow))
            }

    def state(self, feed: str) -> FeedState:
        """One feed's version and fault."""
        return self.states().get(feed, UNREAD)

    def entries(self, feed: str) -> dict[str, Body]:
        """The documents by key, in the order of the source. Do not change them."""
        with Session(self._reader) as session:
            row = session.get(FeedRow, feed)
            version = row.version if row else 0
            with self._lock:
                cached = self._cache.get(feed)
            if cached and cached[0] == version:
                return cached[1]
            rows = session.scalars(
                select(EntryRow).where(EntryRow.feed == feed).order_by(EntryRow.position)
            )
            found = {row.key: json.loads(row.body) for row in rows}
        with self._lock:
            self._cache[feed] = (version, found)
        return found

    def replace(self, feed: str, documents: Sequence[tuple[str, Body]]) -> None:
        """Make the feed hold exactly these; the version grows if that changes anything."""
        with Session(self._engine) as session, session.begin():
            old = {
                row.key: row
                for row in session.scalars(select(EntryRow).where(EntryRow.feed == feed))
            }
            changed = False
            for position, (key, body) in enumerate(documents):
                changed |= _put(session, feed, key, body, position=position, row=old.pop(key, None))
            if old:
                session.execute(
                    delete(EntryRow).where(EntryRow.feed == feed, EntryRow.key.in_(old))
                )
            _note(session, feed, changed=changed or bool(old))

    def put(self, feed: str, key: str, body: Body) -> None:
        """Add or change one document; a new one comes last."""
        with Session(self._engine) as session, session.begin():
            row = session.get(EntryRow, (feed, key))
            last = session.scalar(select(func.max(EntryRow.position)).where(EntryRow.feed == feed))
            position = row.position if row else (-1 if last is None else last) + 1
            _note(session, feed, changed=_put(session, feed, key, body, position=position, row=row))

    def fault(self, feed: str, sentence: str | None) -> None:
        """Say how the feed's source is; None: it answers."""
        with Session(self._reader) as session:
            row = session.get(FeedRow, feed)
        fresh = row and row.checked_at > time.time() - CHECKED_EVERY_S
        if fresh and row and row.fault == sentence:
            return
        with Session(self._engine) as session, session.begin():
            row = _feed(session, feed)
            row.fault = sentence
            if sentence is None:
                row.checked_at = time.time()


def digest(body: Any) -> str:
    """Eight characters that change with the document."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:8]


def _silent(row: FeedRow, now: float) -> bool:
    return row.checked_at < now - SILENT_S


def _feed(session: Session, feed: str) -> FeedRow:
    row = session.get(FeedRow, feed)
    if row is None:
        row = FeedRow(name=feed, version=0, fault=None, checked_at=0.0)
        session.add(row)
    return row


def _note(session: Session, feed: str, *, changed: bool) -> None:
    row = _feed(session, feed)
    row.version += changed
    row.fault = None
    row.checked_at = time.time()


def _put(
    session: Session, feed: str, key: str, body: Body, *, position: int, row: EntryRow | None
) -> bool:
    text = json.dumps(body)
    value = hashlib.sha256(text.encode()).hexdigest()
    if row is None:
        session.add(EntryRow(feed=feed, key=key, position=position, digest=value, body=text))
        return True
    moved, changed = row.position != position, row.digest != value
    row.position, row.digest, row.body = position, value, text
    return moved or changed
