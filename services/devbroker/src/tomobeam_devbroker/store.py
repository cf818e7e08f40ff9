"""Messages in SQLite, written so that what was answered survives kill -9 and power loss.

A caller waits until its changes are on disk. Those that come while a commit is under way share
the next one, so that a burst costs a few commits and not one each.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

WAL_LIMIT = 16 * 1024 * 1024
PAGE = 4096

_SCHEMA = """
create table if not exists messages (
    id integer primary key autoincrement,
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


Change = tuple[str, tuple[object, ...]]
"""One statement of a commit and its values."""


def insert(row: int, queue: str, message: Message) -> Change:
    """Keep a message under a number from `Store.new_row`."""
    values = (row, queue, json.dumps(message.headers), message.body)
    return "insert into messages (id, queue, headers, body) values (?, ?, ?, ?)", values


def delete(row: int) -> Change:
    """Forget a message: it was acknowledged."""
    return "delete from messages where id = ?", (row,)


def postpone(row: int, redeliveries: int, due: float) -> Change:
    """Count a delivery that failed; the next one waits until `due` (seconds since 1970)."""
    sql = "update messages set redeliveries = ?, due = ? where id = ?"
    return sql, (redeliveries, due, row)


def move(row: int, queue: str) -> Change:
    """Put a message in another queue, as new there."""
    return "update messages set queue = ?, redeliveries = 0, due = 0 where id = ?", (queue, row)


class Store:
    """The database of one broker. Used from one event loop."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        """Open it, or make it.

        Raises:
            StoreError: it cannot be opened, is no database, or another broker has it open.
        """
        self.path = path
        with ExitStack() as undo:
            try:
                self._lock = undo.enter_context(path.with_name(f"{path.name}.lock").open("w"))
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                undo.callback(self._db.close)
                for pragma in (
                    "auto_vacuum=incremental",
                    "journal_mode=wal",
                    "synchronous=full",
                    f"journal_size_limit={WAL_LIMIT}",
                    f"max_page_count={max(limit_bytes // PAGE, 1)}",
                ):
                    self._db.execute(f"pragma {pragma}").fetchall()
                self._db.execute(_SCHEMA)
                top = self._db.execute("select seq from sqlite_sequence").fetchone()
                self._reader = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            except BlockingIOError as error:
                raise StoreError(f"{path}: another broker has it open") from error
            except OSError as error:
                raise StoreError(f"{path}: {error.strerror}") from error
            except sqlite3.Error as error:
                raise StoreError(f"{path}: {error}") from error
            undo.pop_all()
        self._top = top[0] if top else 0
        self._thread = ThreadPoolExecutor(1, "store")
        self._waiting: list[tuple[Sequence[Change], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    def new_row(self) -> int:
        """The next number of a message; they rise in the order of arrival."""
        self._top += 1
        return self._top

    def rows(self) -> Iterator[tuple[int, str, float]]:
        """Number, queue and due time of every message, oldest first.

        Raises:
            StoreError: they cannot be read.
        """
        try:
            yield from self._reader.execute("select id, queue, due from messages order by id")
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

    def read(self, row: int) -> Message | None:
        """One message, or None if it is no longer there.

        Raises:
            StoreError: it cannot be read.
        """
        sql = "select headers, body, redeliveries from messages where id = ?"
        try:
            with closing(self._reader.execute(sql, (row,))) as cursor:
                found = cursor.fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        return Message(json.loads(found[0]), *found[1:]) if found else None

    async def write(self, changes: Sequence[Change]) -> None:
        """Return when the changes are on disk, all of them.

        Raises:
            StoreError: none of them is, for instance because the disk is full.
        """
        if not changes:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((changes, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting())
        await done

    async def _write_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            parts = [changes for changes, _ in group]
            errors = await loop.run_in_executor(self._thread, self._commit_together, parts)
            for (_, done), error in zip(group, errors, strict=True):
                if done.cancelled():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(StoreError(f"{self.path}: {error}"))

    def _commit_together(self, parts: list[Sequence[Change]]) -> list[sqlite3.Error | None]:
        error = self._commit([change for changes in parts for change in changes])
        if error is None or len(parts) == 1:
            return [error] * len(parts)
        # One sender's message that does not fit is no reason to refuse another's answer.
        return [self._commit(changes) for changes in parts]

    def _commit(self, changes: Sequence[Change]) -> sqlite3.Error | None:
        try:
            self._db.execute("begin immediate")
            for sql, values in changes:
                self._db.execute(sql, values)
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            return error
        return None

    async def shrink(self) -> None:
        """Give the space of forgotten messages back to the disk.

        Raises:
            StoreError: the database does not take it.
        """
        # A script, because `execute` takes only the first step of this vacuum: one page.
        script = "pragma incremental_vacuum; pragma wal_checkpoint(truncate);"
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._db.executescript, script)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

    async def close(self) -> None:
        """Finish what is being written and close the database."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()
        self._reader.close()
        self._db.close()
        self._lock.close()
