"""`tomobeam-reconstruct`: a stack of slices from a file of projections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field

from tomobeam_common.settings import ServiceSettings, SettingsError, fail
from tomobeam_contracts.scan import ScanReady, ScanStatus
from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.notify import NotAnnounced, announce
from tomobeam_reconstruction.notify_cli import fail_unannounced, load_settings
from tomobeam_reconstruction.options import Layout, Options, Rings, Smoothing
from tomobeam_reconstruction.progress import reporting

if TYPE_CHECKING:
    from tomobeam_reconstruction.reconstruct import Reconstruction

PRODUCER = "tomobeam"
EPILOG = (
    "Exit codes: 0 done; 1 the stack cannot be written; 2 the projections, arguments or settings "
    "are at fault; 3 and 4 reconstructed, but not announced (as tomobeam-notify). "
    "Settings: TOMOBEAM_RECONSTRUCTION_MEMORY_MIB, TOMOBEAM_RECONSTRUCTION_WORKERS; with "
    "--notify those of tomobeam-notify."
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class ReconstructionSettings(ServiceSettings):
    """Settings of `tomobeam-reconstruct`."""

    reconstruction_memory_mib: int = Field(1024, gt=0, description="bound of arrays in memory")
    reconstruction_workers: int | None = Field(
        None, gt=0, description="threads; absent: one per processor"
    )


def _centre(value: str) -> float | None:
    if value == "auto":
        return None
    try:
        return float(value)
    except ValueError as error:
        raise InputFault(f"--centre: {value!r} is neither auto nor a number") from error


@app.command("reconstruct", epilog=EPILOG)
def run(
    projections: Annotated[Path, typer.Argument(help="NXtomo file")],
    out_root: Annotated[Path, typer.Argument(help="the scan's folder is made in here")],
    *,
    layout: Annotated[Layout, typer.Option(help="whose folders and names")] = Layout.SAVU,
    name: Annotated[str | None, typer.Option(help="of the scan; else the file's")] = None,
    centre: Annotated[str, typer.Option(help="auto, or column of the rotation axis")] = "auto",
    rings: Annotated[Rings, typer.Option(help="removal (Vo et al. 2018)")] = Rings.FILTERING,
    smoothing: Annotated[Smoothing, typer.Option(help="of the ramp filter")] = Smoothing.NONE,
    memory_mib: Annotated[
        int | None, typer.Option(min=1, help="bound of the arrays in memory")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="threads")] = None,
    notify: Annotated[bool, typer.Option("--notify", help="announce it when done")] = False,
    scan: Annotated[str | None, typer.Option(help="scan's name in the message")] = None,
    proposal: Annotated[str | None, typer.Option(help="proposal in the message")] = None,
) -> None:
    """Reconstruct PROJECTIONS by filtered back-projection into a folder below OUT_ROOT."""
    broker = load_settings() if notify else None
    try:
        settings = ReconstructionSettings.load()
        options = Options(
            layout=layout,
            name=name,
            centre=_centre(centre),
            rings=rings,
            smoothing=smoothing,
            memory_mib=memory_mib or settings.reconstruction_memory_mib,
            workers=workers or settings.reconstruction_workers,
        )
        # The libraries behind it take seconds to import; --help and wrong arguments need not.
        from tomobeam_reconstruction.reconstruct import reconstruct

        with reporting("slices reconstructed") as report:
            done = reconstruct(projections, out_root, options, progress=report)
    except (InputFault, SettingsError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out_root}: {error.strerror or error}", 1)
    typer.echo(f"centre of rotation: {done.centre:g}\nreconstructed: {done.announced}")
    if broker:
        try:
            announce(_message(done, scan or projections.stem, proposal), broker)
        except NotAnnounced as error:
            fail_unannounced(error)
        typer.echo(f"announced: {done.announced}")


def _message(done: Reconstruction, scan: str, proposal: str | None) -> ScanReady:
    return ScanReady(
        filePath=str(done.announced.absolute()),
        status=ScanStatus.COMPLETE,
        scan=scan,
        proposal=proposal,
        imageCount=done.count,
        producer=PRODUCER,
        pixelSize=done.pixel_size,
    )


def main() -> None:
    """Run the program."""
    app()


if __name__ == "__main__":
    main()
