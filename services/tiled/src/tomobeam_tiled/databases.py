"""Tiled's databases: made before its start, and asked for the revision of their schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import ModuleType

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from asyncpg import InterfaceError, PostgresError
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tiled.alembic_utils import stamp_head, upgrade
from tiled.authn_database import alembic_constants as authn_alembic
from tiled.authn_database import core as authn
from tiled.catalog import alembic_constants as catalog_alembic
from tiled.catalog import core as catalog
from tiled.utils import ensure_specified_sql_driver

from tomobeam_tiled.settings import DatabaseFault, DatabaseSettings


@dataclass(frozen=True)
class Database:
    """One of the two, with the parts of Tiled that know its schema."""

    name: str
    core: ModuleType
    alembic: ModuleType

    @property
    def known(self) -> list[str]:
        """The revisions that this Tiled can migrate from, newest first."""
        return self.core.ALL_REVISIONS

    @property
    def wanted(self) -> str:
        """The revision that this Tiled works with, the newest that it knows."""
        return self.core.REQUIRED_REVISION

    def uri(self, settings: DatabaseSettings) -> str:
        """Where it is, with the driver."""
        return ensure_specified_sql_driver(getattr(settings, f"{self.name}_uri"))

    @asynccontextmanager
    async def engine(self, settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
        """Connections to it.

        Raises:
            DatabaseFault: it does not answer, or refuses.
        """
        with self.explained():
            engine = create_async_engine(self.uri(settings))
            try:
                yield engine
            finally:
                await engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Make what its server says a fault."""
        try:
            yield
        except (OSError, PostgresError, InterfaceError, SQLAlchemyError, CommandError) as error:
            # The lines after the first are SQLAlchemy's advice to a programmer.
            why = str(error).partition("\n")[0]
            raise self.fault(f"{why} (password: PGPASSFILE, CA: PGSSLROOTCERT)") from error

    def other(self, found: str) -> DatabaseFault:
        """That its schema is not the one that this Tiled works with, and what to do about it."""
        remedy = "migrate it first" if found in self.known else "a newer Tiled made it"
        return self.fault(
            f"the schema is of revision {found}, this Tiled wants {self.wanted}: {remedy}"
        )

    def fault(self, why: str) -> DatabaseFault:
        """What is wrong, with the name of the setting."""
        return DatabaseFault(f"TOMOBEAM_{self.name.upper()}_URI: {why}")


AUTHN = Database("tiled_authn", authn, authn_alembic)
CATALOG = Database("tiled_catalog", catalog, catalog_alembic)
DATABASES = (AUTHN, CATALOG)


async def create_databases(settings: DatabaseSettings) -> list[Database]:
    """Create the tables that are missing.

    Returns:
        What `stamp` has to be called with, outside the event loop.

    Raises:
        DatabaseFault: a database does not answer, or another Tiled made it.
    """
    new = []
    for database in DATABASES:
        async with database.engine(settings) as engine:
            found = await _revision(engine)
            if found is None:
                if not await _was_ended_before_the_stamp(engine):
                    await database.core.initialize_database(engine)
                new.append(database)
            elif found != database.wanted:
                raise database.other(found)
    return new


def stamp(database: Database, settings: DatabaseSettings) -> None:
    """Record the schema's revision; alembic runs an event loop of its own."""
    alembic = database.alembic
    stamp_head(alembic.ALEMBIC_INI_TEMPLATE_PATH, alembic.ALEMBIC_DIR, database.uri(settings))


async def outdated(settings: DatabaseSettings) -> list[tuple[Database, str]]:
    """The databases that an older Tiled made, each with the revision of its schema.

    Raises:
        DatabaseFault: a database does not answer, or a newer Tiled made it.
    """
    old = []
    for database in DATABASES:
        async with database.engine(settings) as engine:
            found = await _revision(engine)
        if found not in (None, *database.known):
            raise database.other(found)
        if found not in (None, database.wanted):
            old.append((database, found))
    return old


def migrate(database: Database, settings: DatabaseSettings) -> None:
    """Bring the schema of an older Tiled to this one's; alembic runs an event loop of its own.

    Raises:
        DatabaseFault: it does not answer, or refuses a step.
    """
    alembic = database.alembic
    with database.explained():
        upgrade(
            alembic.ALEMBIC_INI_TEMPLATE_PATH, alembic.ALEMBIC_DIR, database.uri(settings), "head"
        )


async def read_schema(settings: DatabaseSettings) -> dict[str, dict[str, str | None]]:
    """For each database the revision `wanted` by this Tiled and the one `found`.

    `found` is None where the database is empty or, with a `fault` that says why, does not answer.
    """
    schema = {}
    for database in DATABASES:
        report: dict[str, str | None] = {"wanted": database.wanted, "found": None}
        try:
            async with database.engine(settings) as engine:
                report["found"] = await _revision(engine)
        except DatabaseFault as fault:
            report["fault"] = str(fault)
        schema[database.name] = report
    return schema


async def _revision(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return await connection.run_sync(
            lambda own: MigrationContext.configure(own).get_current_revision()
        )


async def _was_ended_before_the_stamp(engine: AsyncEngine) -> bool:
    """Whether the catalogue is there all the same.

    On PostgreSQL it is made in one transaction, and its extension cannot be made twice.
    """
    if engine.dialect.name != "postgresql":
        return False
    async with engine.connect() as connection:
        return await connection.run_sync(lambda own: inspect(own).has_table("nodes"))
