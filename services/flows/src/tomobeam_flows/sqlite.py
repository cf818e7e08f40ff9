"""Lets Prefect's server write to SQLite from many requests at once, by an option of the address.

Prefect begins a transaction as a reader. One that comes to write after another has written is
refused at once ("database is locked"), and the cursor that was refused is left to whoever drops
the exception: mostly the event loop, which then waits for a connection whose thread waits for the
very lock that only the event loop could release. Both stand for a minute, and the whole server
with them. A transaction that begins as the writer waits for its turn and is never refused.

`sqlite+aiosqlite:///prefect.db?plugin=tomobeam-sqlite` turns it on, as SQLAlchemy loads plugins.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Connection, CreateEnginePlugin, Engine, event


class WritersFirst(CreateEnginePlugin):
    """Begins as the writer each transaction that an engine begins by name as a reader."""

    def update_url(self, url: URL) -> URL:
        """The address without what is ours."""
        return url.difference_update_query(["plugin"])

    def engine_created(self, engine: Engine) -> None:
        """Listen to what the engine executes."""
        event.listen(engine, "before_cursor_execute", _begin_as_writer, retval=True)


def _begin_as_writer(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any
) -> tuple[str, Any]:
    return "BEGIN IMMEDIATE" if statement == "BEGIN DEFERRED" else statement, parameters
