"""Creates Tiled's databases, so that starting it never has to."""

from __future__ import annotations

from types import ModuleType

from sqlalchemy.ext.asyncio import create_async_engine
from tiled.alembic_utils import UninitializedDatabase, check_database, stamp_head
from tiled.authn_database import alembic_constants as authn_alembic
from tiled.authn_database import core as authn
from tiled.catalog import alembic_constants as catalog_alembic
from tiled.catalog import core as catalog
from tiled.utils import ensure_specified_sql_driver

from tomobeam_tiled.settings import DatabaseSettings


async def create_databases(settings: DatabaseSettings) -> list[tuple[ModuleType, str]]:
    """Create the tables that are missing.

    Returns:
        What `stamp` has to be called with, outside the event loop.

    Raises:
        tiled.alembic_utils.DatabaseUpgradeNeeded: an older Tiled made the database.
    """
    new = []
    for core, alembic, uri in (
        (authn, authn_alembic, settings.tiled_authn_uri),
        (catalog, catalog_alembic, settings.tiled_catalog_uri),
    ):
        full_uri = ensure_specified_sql_driver(uri)
        engine = create_async_engine(full_uri)
        try:
            await check_database(engine, core.REQUIRED_REVISION, core.ALL_REVISIONS)
        except UninitializedDatabase:
            await core.initialize_database(engine)
            new.append((alembic, full_uri))
        finally:
            await engine.dispose()
    return new


def stamp(alembic: ModuleType, uri: str) -> None:
    """Record the schema's revision; alembic runs an event loop of its own."""
    stamp_head(alembic.ALEMBIC_INI_TEMPLATE_PATH, alembic.ALEMBIC_DIR, uri)
