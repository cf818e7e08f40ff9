"""What every part of the page is given: settings, the client of Tiled, the database."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy.orm import DeclarativeBase
from tomobeam_common.tiled import TiledClient

from tomobeam_webapp.settings import WebSettings

BUSY_MS = 10_000


class Base(DeclarativeBase):
    """Tables of the page's database; each part declares its own.

    `create_app` makes the missing ones after every part has been imported.
    """


@dataclass(frozen=True)
class Context:
    """Shared by all threads of a process. The current user is `flask_login.current_user.id`."""

    settings: WebSettings
    tiled: TiledClient
    engine: sqlalchemy.Engine

    @classmethod
    def open(cls, settings: WebSettings) -> Context:
        """Make the folder of the state (mode 700) and connect lazily.

        Raises:
            OSError: the folder cannot be made.
        """
        settings.webapp_state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(
            settings=settings,
            tiled=TiledClient(settings.tiled_url, settings.tiled_api_key),
            engine=open_engine(settings),
        )


def open_engine(settings: WebSettings) -> sqlalchemy.Engine:
    """The database, shared safely by several processes: write-ahead log, waiting for locks."""
    engine = sqlalchemy.create_engine(
        f"sqlite:///{settings.database}", connect_args={"timeout": BUSY_MS / 1000}
    )
    sqlalchemy.event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
