"""`tomobeam-tiled`: what Tiled needs before and after its start."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Annotated

import typer

from tomobeam_common.settings import SettingsError, TiledSettings, fail
from tomobeam_common.tiled import TiledClient, TiledError
from tomobeam_contracts.destinations import MASKS, RECONS, RESULTS
from tomobeam_tiled.settings import DatabaseFault, DatabaseSettings, KeySettings

app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)


@app.command()
def prepare() -> None:
    """Create the databases and install the partners' keys. May be run again at any time."""
    from tomobeam_tiled.databases import create_databases, stamp
    from tomobeam_tiled.keys import install_keys

    settings = KeySettings.load()
    for database in asyncio.run(create_databases(settings)):
        stamp(database, settings)
    changed = asyncio.run(install_keys(settings))
    typer.echo(f"keys installed: {', '.join(changed) or 'none, all were known'}")


@app.command()
def migrate() -> None:
    """Bring databases of an older Tiled to the schema of this one. May be run again at any time.

    Nothing leads back: dump them first, and let nobody write meanwhile.
    """
    from tomobeam_tiled import databases

    settings = DatabaseSettings.load()
    for database, found in asyncio.run(databases.outdated(settings)):
        databases.migrate(database, settings)
        typer.echo(f"{database.name}: from revision {found} to {database.wanted}")


@app.command()
def schema(
    known: Annotated[
        bool, typer.Option("--known", help="the revisions known here, newest first; asks nobody")
    ] = False,
) -> None:
    """Print as JSON the revision of each database's schema: the one wanted and the one found."""
    from tomobeam_tiled.databases import DATABASES, read_schema

    if known:
        said = {database.name: database.known for database in DATABASES}
    else:
        said = asyncio.run(read_schema(DatabaseSettings.load()))
    typer.echo(json.dumps(said))


@app.command()
def check_config() -> None:
    """Refuse a configuration of Tiled, from standard input, with which it cannot start.

    The variables that it names have to be set; what they are is not looked at.
    """
    from tomobeam_tiled.configuration import check

    check(sys.stdin.read())


@app.command()
def provision() -> None:
    """Create the top of the tree in a running Tiled. May be run again at any time."""
    settings = TiledSettings.load()
    with TiledClient(settings.tiled_url, settings.tiled_api_key) as tiled:
        for container in (RECONS, MASKS, RESULTS):
            tiled.ensure_container(container)


def main() -> None:
    """Entry point; a wrong setting, an unwilling database or Tiled ends with one sentence."""
    try:
        app()
    except (SettingsError, TiledError, DatabaseFault, ValueError) as error:
        fail(str(error))
