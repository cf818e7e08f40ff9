"""`tomobeam-ingester`: run it, and look after it."""

from __future__ import annotations

import json
import re
import signal
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tomobeam_common import logs
from tomobeam_common.settings import SettingsError, fail
from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.scan import ScanReady
from tomobeam_ingester.broker import LinkLost
from tomobeam_ingester.complete import Judge, Sightings
from tomobeam_ingester.outcome import NotYet, PartnerAway, Refused
from tomobeam_ingester.register import Registrar
from tomobeam_ingester.replay import replay as replay_letters
from tomobeam_ingester.service import Service, make_catch_up, make_judge
from tomobeam_ingester.settings import IngesterSettings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Registers the stacks that reconstructions announce. Settings are environment "
    "variables TOMOBEAM_…; `settings` lists them.",
)
console = Console()


def main() -> None:
    """The command."""
    app()


def _settings() -> IngesterSettings:
    try:
        settings = IngesterSettings.load()
    except SettingsError as error:
        fail(str(error))
    logs.configure("ingester", settings.log_level, settings.log_format)
    return settings


@app.command()
def run() -> None:
    """Listen to the broker until SIGTERM."""
    settings = _settings()
    try:
        service = Service(settings)
    except OSError as error:
        where = error.filename or f"port {settings.ingester_port} (TOMOBEAM_INGESTER_PORT)"
        fail(f"cannot start: {where}: {error.strerror}", 1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    service.run()


@app.command(name="settings")
def list_settings() -> None:
    """List the settings."""
    for name, field in IngesterSettings.model_fields.items():
        default = "required" if field.is_required() else f"default {field.get_default()}"
        typer.echo(f"TOMOBEAM_{name.upper()}: {field.description or ''} ({default})")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="for programs: all that it says")] = False,
) -> None:
    """Ask the running ingester what it does. Exit code 1: it does not run."""
    settings = _settings()
    address = f"http://127.0.0.1:{settings.ingester_port}/healthz"
    try:
        report = httpx.get(address, timeout=10.0).json()
    except (httpx.HTTPError, ValueError) as error:
        fail(f"the ingester does not run: {address}: {error}", 1)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print_status(report)


def _print_status(report: dict[str, Any]) -> None:
    console.print(f"state: {report['state']}")
    for part, fault in report["away"].items():
        console.print(f"away: {part} for {fault['for_s']} s: {fault['why']}", markup=False)
    if scan := report["last_scan"]:
        console.print(f"last scan: {scan['stacks']} stacks, {scan['new']} new to Tiled")
    console.print(f"waiting: {report['waiting']}, oldest {report['oldest_unhandled_s']} s")
    console.print(f"dead letters since the start: {report['dead_letters']}")
    if not report["jobs"]:
        return
    table = Table("path", "waits for", "age (s)", "messages")
    for job in report["jobs"]:
        cells = (job["path"], job["waits_for"], job["age_s"], job["messages"])
        table.add_row(*(escape(str(cell)) for cell in cells))
    console.print(table)


@app.command()
def replay(
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many")] = None,
    match: Annotated[
        str | None, typer.Option(help="only where reason or body match this regular expression")
    ] = None,
    idle: Annotated[
        float, typer.Option(min=0.1, help="seconds without a letter after which to end")
    ] = 2.0,
    dry: Annotated[bool, typer.Option("--dry", help="list them and leave them")] = False,
) -> None:
    """Put dead letters back into the ingest queue."""
    settings = _settings()
    seen = moved = 0
    try:
        for letter in replay_letters(settings, limit, match, idle_s=idle, dry=dry):
            seen, moved = seen + 1, moved + letter.replayed
            what = "put back" if letter.replayed else "left"
            console.print(f"{what}: {letter.reason}: {letter.body[:120]}", markup=False)
    except re.error as error:
        fail(f"--match: no regular expression: {error}")
    except LinkLost as lost:
        fail(str(lost), 1)
    console.print(f"{moved} of {seen} dead letters put back")


@app.command()
def scan() -> None:
    """Look below the roots once and register what is complete and not in Tiled."""
    settings = _settings()
    judge = make_judge(settings)
    with TiledClient(settings.tiled_url, settings.tiled_api_key) as client:
        registrar = Registrar(client)
        catch_up = make_catch_up(settings, judge, registrar)
        try:
            found = catch_up.scan()
            for path in found.new:
                line = _register(judge, registrar, path)
                console.print(f"{path}: {line}", markup=False)
        except PartnerAway as away:
            fail(str(away), 1)
    console.print(f"{found.stacks} stacks, {found.known} known before, {len(found.new)} looked at")


def _register(judge: Judge, registrar: Registrar, path: Any) -> str:
    message = ScanReady(filePath=str(path))
    try:
        candidate, stack = judge.decide(path, message, Sightings())
        result = registrar.register(candidate, stack, message)
    except NotYet as wait:
        return f"not yet: {wait}"
    except Refused as refusal:
        return f"refused: {refusal.header}"
    return f"{result.change} as {result.key}"
