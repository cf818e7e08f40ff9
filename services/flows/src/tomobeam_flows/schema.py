"""The revision of the schema of Prefect's database; needs the settings of Prefect's server."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from asyncpg import InterfaceError, PostgresError
from prefect.server.database import provide_database_interface
from prefect.server.database.alembic_commands import alembic_config
from sqlalchemy.exc import SQLAlchemyError


async def read_schema() -> dict[str, dict[str, str | None]]:
    """The revision `wanted` by this Prefect and the one `found`, below `prefect`.

    `found` is None where the database is empty or, with a `fault` that says why, does not answer.
    """
    database = provide_database_interface()
    scripts = ScriptDirectory.from_config(alembic_config())
    # SQLite and PostgreSQL have migrations of their own.
    scripts.version_locations = [str(database.orm.versions_dir)]
    report: dict[str, str | None] = {"wanted": scripts.get_current_head(), "found": None}
    try:
        engine = await database.engine()
        async with engine.connect() as connection:
            report["found"] = await connection.run_sync(
                lambda own: MigrationContext.configure(own).get_current_revision()
            )
    except (OSError, PostgresError, InterfaceError, SQLAlchemyError) as error:
        # The lines after the first are SQLAlchemy's advice to a programmer.
        report["fault"] = str(error).partition("\n")[0]
    return {"prefect": report}
