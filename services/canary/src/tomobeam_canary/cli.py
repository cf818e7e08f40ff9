"""`tomobeam-canary`: a tiny scan over every wire, in two halves, each where its wires begin."""

from __future__ import annotations

from typing import Annotated, TypeVar

import typer

from tomobeam_canary import follow as second
from tomobeam_canary import send as first
from tomobeam_canary.flow_run import FlowRunError
from tomobeam_canary.hops import CanaryFault
from tomobeam_canary.page import PageError
from tomobeam_canary.settings import CanarySettings, FollowSettings, SendSettings
from tomobeam_common.settings import SettingsError, fail
from tomobeam_common.tiled import TiledError
from tomobeam_contracts.canary import announced_at
from tomobeam_contracts.registry import RegistryError

S = TypeVar("S", bound=CanarySettings)
FAULTS = (CanaryFault, TiledError, FlowRunError, PageError, RegistryError, OSError)
EXIT_CODES = "Exit codes: 0 every hop went well; 1 one failed, the last line says why; 2 settings."
app = typer.Typer(
    no_args_is_help=True, help=__doc__, add_completion=False, pretty_exceptions_enable=False
)


def _settings(kind: type[S]) -> S:
    try:
        return kind.load()
    except SettingsError as error:
        fail(str(error))


@app.command(
    epilog=f"{EXIT_CODES} Settings: TOMOBEAM_CANARY_STORE, TOMOBEAM_CANARY_HOP_LIMIT_S, and those "
    "of tomobeam-notify."
)
def send() -> None:
    """Reconstruct a tiny scan into the file store and announce it; on a reconstruction host."""
    settings = _settings(SendSettings)
    try:
        first.send(settings)
    except (CanaryFault, OSError) as error:
        fail(str(error), 1)


@app.command(epilog=f"{EXIT_CODES} Settings: those of the page, and TOMOBEAM_CANARY_HOP_LIMIT_S.")
def follow(scan: Annotated[str, typer.Argument(help="the name that `send` announced")]) -> None:
    """Follow a scan through Tiled, a flow run and the page; on the web host."""
    settings = _settings(FollowSettings)
    try:
        announced_at(scan)
    except ValueError:
        fail(f"SCAN: {scan!r} is no name of a canary's scan")
    try:
        second.follow(settings, scan)
    except FAULTS as error:
        fail(str(error), 1)


def main() -> None:
    """Entry point."""
    app()
