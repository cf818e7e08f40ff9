"""The revision of the schema of Prefect's database."""

from __future__ import annotations

from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from asyncpg import InterfaceError, PostgresError
from prefect.server.database import provide_database_interface
from prefect.server.database.alembic_commands import alembic_config
from prefect.server.database.orm_models import AsyncPostgresORMConfiguration
from sqlalchemy.exc import SQLAlchemyError


def known_revisions() -> dict[str, list[str]]:
    """The revisions of PostgreSQL's schema that this Prefect can migrate from, newest first."""
    scripts = _scripts(AsyncPostgresORMConfiguration().versions_dir)
    return {"prefect": [script.revision for script in scripts.walk_revisions()]}


async def read_schema() -> dict[str, dict[str, str | None]]:
    """The revision `wanted` by this Prefect and the one `found`, below `prefect`.

    It needs the settings of Prefect's server. `found` is None where the database is empty or, with
    a `fault` that says why, does not answer.
    """
    database = provide_database_interface()
    wanted = _scripts(database.orm.versions_dir).get_current_head()
    report: dict[str, str | None] = {"wanted": wanted, "found": None}
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


def _scripts(versions: Path) -> ScriptDirectory:
    scripts = ScriptDirectory.from_config(alembic_config())
    # SQLite and PostgreSQL have migrations of their own.
    scripts.version_locations = [str(versions)]
    return scripts
