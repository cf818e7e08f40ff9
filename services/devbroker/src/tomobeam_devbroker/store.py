"""Messages in SQLite, written so that what was answered survives kill -9 and power loss.

What is asked for in one turn of the event loop is written in one commit at its end, all or
nothing; memory follows and the answers go out only then. So nothing is answered or delivered
that a crash could undo, and a burst costs a few commits.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_SCHEMA = """
create table if not exists messages (
    id integer primary key,
    queue text not null,
    headers text not null,
    body blob not null,
    redeliveries integer not null default 0,
    due real not null default 0
)
"""


class StoreError(RuntimeError):
    """The database does not take or give what it should; the message says why."""


@dataclass(frozen=True)
class Message:
    """One message of a queue, and how often it was delivered without being acknowledged."""

    headers: dict[str, str]
    body: bytes
    redeliveries: int = 0


class Store:
    """The database of one broker. Used from one event loop.

    `found` are number, queue and due time of every message that it held, oldest first.
    """

    def __init__(self, path: Path, failed: Callable[[StoreError], None]) -> None:
        """Open it, or make it.

        `failed` is called when a turn could not be written, for instance because the disk is
        full. Nothing of it was done or answered, memory and database may now differ, and the
        broker is to end: opened again, the database holds all that was ever answered.

        Raises:
            StoreError: it cannot be opened, is no database, or another broker has it open.
        """
        self.path, self._failed = path, failed
        self._changes: list[Callable[[], object]] = []
        self._steps: list[Callable[[], object]] = []
        try:
            self._db = sqlite3.connect(path, timeout=0)
            # Exclusive: a second broker on the same file would deliver everything twice.
            for pragma in ("locking_mode=exclusive", "journal_mode=wal", "synchronous=full"):
                self._db.execute(f"pragma {pragma}").fetchall()
            self._db.execute(_SCHEMA)
            rows = self._db.execute("select id, queue, due from messages order by id")
            self.found: list[tuple[int, str, float]] = rows.fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error
        self._top = self.found[-1][0] if self.found else 0

    def read(self, row: int) -> Message:
        """One message that is in the database."""
        sql = "select headers, body, redeliveries from messages where id = ?"
        ((headers, body, redeliveries),) = self._db.execute(sql, (row,)).fetchall()
        return Message(json.loads(headers), body, redeliveries)

    def insert(self, queue: str, message: Message) -> int:
        """Keep a message; its number, which rises in the order of arrival."""
        self._top += 1
        sql = "insert into messages (id, queue, headers, body) values (?, ?, ?, ?)"
        self._change(sql, self._top, queue, json.dumps(message.headers), message.body)
        return self._top

    def update(self, row: int, queue: str, redeliveries: int, due: float) -> None:
        """Put a message in a queue, to be delivered from `due` on (seconds since 1970)."""
        sql = "update messages set queue = ?, redeliveries = ?, due = ? where id = ?"
        self._change(sql, queue, redeliveries, due, row)

    def delete(self, row: int) -> None:
        """Forget a message: it was acknowledged."""
        self._change("delete from messages where id = ?", row)

    def then(self, step: Callable[..., None], *values: object) -> None:
        """Call once everything so far is on disk."""
        self._at_the_end(self._steps, partial(step, *values))

    def _change(self, sql: str, *values: object) -> None:
        self._at_the_end(self._changes, partial(self._db.execute, sql, values))

    def _at_the_end(self, calls: list[Callable[[], object]], call: Callable[[], object]) -> None:
        if not self._changes and not self._steps:
            asyncio.get_running_loop().call_soon(self._flush)
        calls.append(call)

    def _flush(self) -> None:
        changes, self._changes = self._changes, []
        steps, self._steps = self._steps, []
        if not changes and not steps:
            return  # `close` was here before the turn's end.
        try:
            with self._db:
                for change in changes:
                    change()
            for step in steps:
                step()
        except sqlite3.Error as error:
            self._failed(StoreError(f"{self.path}: {error}"))

    def close(self) -> None:
        """Write what waits and close the database."""
        self._flush()
        self._db.close()
