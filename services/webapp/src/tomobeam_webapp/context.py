"""What every part of the page is given: settings, the client of Tiled, the database."""

from __future__ import annotations

import fcntl
import sqlite3
from dataclasses import dataclass
from typing import Any

import sqlalchemy
import sqlalchemy.event
from sqlalchemy.orm import DeclarativeBase

from tomobeam_common.tiled import TiledClient
from tomobeam_webapp.settings import StateSettings, WebSettings

BUSY_S = 10.0


class Base(DeclarativeBase):
    """Tables of the page's database; each part declares its own, `create_tables` makes them."""


@dataclass(frozen=True)
class Context:
    """Shared by all threads of a process. The current user is `flask_login.current_user.id`."""

    settings: WebSettings
    tiled: TiledClient
    engine: sqlalchemy.Engine

    @classmethod
    def open(cls, settings: WebSettings) -> Context:
        """Make the folder of the state (mode 700); servers are reached for when first needed.

        Raises:
            OSError: the folder cannot be made.
        """
        return cls(
            settings=settings,
            tiled=TiledClient(settings.tiled_url, settings.tiled_api_key),
            engine=open_engine(settings),
        )

    @property
    def reader(self) -> sqlalchemy.Engine:
        """The same database for transactions that only read: they wait for no writer."""
        return self.engine.execution_options(readonly=True)


def open_engine(settings: StateSettings) -> sqlalchemy.Engine:
    """The database, safe for several processes at once: write-ahead log, waiting for locks.

    A transaction takes the right to write when it begins, so that one which reads first and
    writes then never finds that another came between; `readonly=True` leaves that out.
    """
    settings.webapp_state.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = sqlalchemy.create_engine(
        f"sqlite:///{settings.database}", connect_args={"timeout": BUSY_S}
    )
    sqlalchemy.event.listen(engine, "connect", _prepare)
    sqlalchemy.event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    # Else the driver begins transactions by itself, and too late.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sqlalchemy.Connection) -> None:
    readonly = connection.get_execution_options().get("readonly", False)
    connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")


def create_tables(engine: sqlalchemy.Engine, settings: StateSettings) -> None:
    """Make the tables that are missing; several processes may start at once."""
    with (settings.webapp_state / "tables.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Base.metadata.create_all(engine)
        settings.database.chmod(0o600)
