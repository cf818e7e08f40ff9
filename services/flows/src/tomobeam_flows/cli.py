"""The commands `tomobeam-flows worker`, `provision` and `schema`."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common import logs
from tomobeam_common.settings import SettingsError, fail
from tomobeam_contracts.registry import Registry, RegistryError
from tomobeam_flows.service import LoginRefused, Service, wait_for_prefect
from tomobeam_flows.settings import PoolSettings, WorkerSettings, configure_prefect

DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


def _worker_settings() -> WorkerSettings:
    try:
        settings = WorkerSettings.load()
        Registry.read(settings.registry)
    except SettingsError as error:
        fail(str(error))
    except RegistryError as error:
        fail(f"TOMOBEAM_REGISTRY: {error}")
    if not settings.job_bin.is_dir():
        fail(f"TOMOBEAM_JOB_BIN: {settings.job_bin} is no folder")
    return settings


@app.command()
def worker() -> None:
    """Take flow runs from the work pool and launch their jobs, until SIGTERM.

    Settings are environment variables TOMOBEAM_...; a missing one is named.
    """
    settings = _worker_settings()
    logs.configure("worker", settings.log_level, settings.log_format)
    configure_prefect(settings, settings.worker_state / "prefect")
    from tomobeam_flows.locks import WorkerInUse

    try:
        asyncio.run(Service(settings).run())
    except (LoginRefused, WorkerInUse) as error:
        fail(str(error), code=1)
    except OSError as error:
        fail(f"the worker cannot start: {error} (TOMOBEAM_WORKER_PORT, TOMOBEAM_WORKER_STATE)", 1)


@app.command()
def provision() -> None:
    """Create or correct work pool, queue, deployment and automations; waits for the server."""
    try:
        settings = PoolSettings.load()
    except SettingsError as error:
        fail(str(error))
    logs.configure("provision", settings.log_level, settings.log_format)
    with tempfile.TemporaryDirectory() as home:
        configure_prefect(settings, Path(home))
        asyncio.run(_provision(settings))


async def _provision(settings: PoolSettings) -> None:
    try:
        await wait_for_prefect(settings)
    except LoginRefused as error:
        fail(str(error), code=1)
    from tomobeam_flows.provision import CannotProvision
    from tomobeam_flows.provision import provision as bring_about

    try:
        await bring_about(settings)
    except CannotProvision as error:
        fail(str(error), code=1)


@app.command()
def schema(
    known: Annotated[
        bool, typer.Option("--known", help="the revisions known here, newest first; asks nobody")
    ] = False,
) -> None:
    """Print as JSON the revision of Prefect's database: the one wanted and the one found.

    Run it with the variables PREFECT_SERVER_... of Prefect's server.
    """
    if not known and DATABASE not in os.environ:
        fail(f"{DATABASE} is not set: run this with the variables of Prefect's server")
    from tomobeam_flows.schema import known_revisions, read_schema

    typer.echo(json.dumps(known_revisions() if known else asyncio.run(read_schema())))


def main() -> None:
    """Run the command line."""
    app()
