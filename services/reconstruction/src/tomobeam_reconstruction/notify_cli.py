"""`tomobeam-notify`: tell the platform that a scan is ready."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tomobeam_common.settings import SettingsError, fail
from tomobeam_contracts.scan import ScanReady, ScanStatus
from tomobeam_reconstruction.notify import NotAnnounced, NotifySettings, announce, flush

KEPT, LOST = 3, 4
EPILOG = (
    "Exit codes: 0 sent; 2 wrong arguments or settings; 3 not sent, but kept in the spool and "
    "sent by the next call or by --flush; 4 neither sent nor kept. "
    "Settings: TOMOBEAM_BROKER_HOST, _PORT, _USER, _PASSWORD or _PASSWORD_FILE, _TLS_CA, "
    "TOMOBEAM_SCAN_TOPIC, TOMOBEAM_NOTIFY_SPOOL, _TRIES, _PAUSE_S, _TIMEOUT_S."
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def load_settings() -> NotifySettings:
    """Settings of this program, or its end with one sentence."""
    # stomp.py reports every failed attempt in lines of its own; ours says it once.
    logging.getLogger("stomp.py").setLevel(logging.CRITICAL)
    try:
        return NotifySettings.load()
    except SettingsError as error:
        fail(str(error))
    except RuntimeError as error:
        fail(f"TOMOBEAM_NOTIFY_SPOOL: give it, for this user has no home: {error}")


def fail_unannounced(error: NotAnnounced) -> NoReturn:
    """End the program because a message was not sent."""
    fail(str(error), KEPT if error.kept else LOST)


def see(path: Path) -> None:
    """End with one sentence where a path is not here, or cannot be looked at by this user."""
    try:
        fault = "" if path.exists() else "does not exist here"
    except OSError as error:
        fault = f"cannot be looked at: {error.strerror}"
    if fault:
        fail(f"PATH: {path} {fault}; --no-check sends it all the same")


@app.command(epilog=EPILOG)
def notify(
    path: Annotated[
        Path | None,
        typer.Argument(help="*_processed.nxs, folder of a stack, TIFF, HDF5 or Zarr"),
    ] = None,
    *,
    state: Annotated[
        ScanStatus, typer.Option(help="what the producer says of it", case_sensitive=False)
    ] = ScanStatus.COMPLETE,
    count: Annotated[int | None, typer.Option(min=1, help="slices in the finished stack")] = None,
    scan: Annotated[str | None, typer.Option(help="the scan's name at the beamline")] = None,
    proposal: Annotated[str | None, typer.Option(help="the proposal or visit")] = None,
    producer: Annotated[
        str | None, typer.Option(help="program that wrote the files, such as savu")
    ] = None,
    pixel_size: Annotated[float | None, typer.Option(help="edge of a voxel, micrometres")] = None,
    check: Annotated[
        bool, typer.Option(help="refuse a path that does not exist on this host")
    ] = True,
    flush_only: Annotated[
        bool, typer.Option("--flush", help="only send what waits in the spool")
    ] = False,
) -> None:
    """Say that the scan at PATH is ready, and send what earlier calls could not."""
    settings = load_settings()
    if (path is None) != flush_only:
        fail("PATH: give either a path or --flush")
    try:
        if path is None:
            typer.echo(f"{flush(settings)} sent")
            return
        if check:
            see(path)
        if pixel_size is not None and not pixel_size > 0:
            fail(f"--pixel-size: {pixel_size:g} is not greater than 0")
        message = ScanReady(
            filePath=os.path.abspath(path),  # noqa: PTH100 - resolve() would follow the links
            status=state,
            scan=scan,
            proposal=proposal,
            imageCount=count,
            producer=producer,
            pixelSize=pixel_size,
        )
        announce(message, settings)
    except NotAnnounced as error:
        fail_unannounced(error)
    except OSError as error:
        fail(f"TOMOBEAM_NOTIFY_SPOOL {settings.notify_spool}: {error.strerror}")
    typer.echo(f"sent: {message.file_path} {message.status}")


def main() -> None:
    """Run the program."""
    app()


if __name__ == "__main__":
    main()
