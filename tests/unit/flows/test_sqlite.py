"""Prefect's own transactions on SQLite: two that read before they write."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.support.platform import make_site

READ = text("SELECT count(*) FROM kept")
WRITE = text("INSERT INTO kept VALUES (1)")


async def _two_write_after_reading(url: str) -> int:
    """How many of two transactions' rows are kept, each begun before the other wrote."""
    database = AioSqliteConfiguration(url)
    engine = await database.engine()

    async def one(begun: asyncio.Event, other: asyncio.Event) -> None:
        async with await database.session(engine) as session, database.begin_transaction(session):
            await session.execute(READ)
            begun.set()
            # A reader's transaction begins beside this one; a writer's has to wait for it.
            await asyncio.wait([asyncio.create_task(other.wait())], timeout=0.5)
            await session.execute(WRITE)

    async with await database.session(engine) as session, database.begin_transaction(session):
        await session.execute(text("CREATE TABLE kept (number INTEGER)"))
    begun = [asyncio.Event(), asyncio.Event()]
    await asyncio.gather(one(begun[0], begun[1]), one(begun[1], begun[0]))
    async with await database.session(engine) as session, database.begin_transaction(session):
        return (await session.execute(READ)).scalar_one()


def test_a_transaction_that_reads_first_is_not_refused(tmp_path: Path) -> None:
    url = make_site(tmp_path).database_uri("prefect", tmp_path)
    assert asyncio.run(_two_write_after_reading(url)) == 2


def test_prefect_alone_would_refuse_it(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="database is locked"):
        asyncio.run(_two_write_after_reading(f"sqlite+aiosqlite:///{tmp_path}/prefect.db"))
