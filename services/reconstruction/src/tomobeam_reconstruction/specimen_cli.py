"""`tomobeam-specimen`: projections of a specimen whose every voxel is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_reconstruction.acquire import Acquisition
from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.progress import reporting
from tomobeam_reconstruction.scan_file import write_scan
from tomobeam_reconstruction.specimens import Kind, make_specimen

USUAL = Acquisition()
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Exit codes: 0 written; 1 cannot be written; 2 wrong arguments.")
def specimen(
    kind: Annotated[Kind, typer.Argument(help="what to make")],
    out: Annotated[Path, typer.Argument(help="NXtomo file; <name>_truth.h5 appears beside it")],
    *,
    size: Annotated[int, typer.Option(help="columns of the detector")] = 192,
    height: Annotated[int, typer.Option(help="rows of the detector: slices")] = 128,
    angles: Annotated[int, typer.Option(help="projections over 180°")] = USUAL.angles,
    seed: Annotated[int, typer.Option(min=0, help="of the specimen and the noise")] = 1,
    centre_offset: Annotated[
        float, typer.Option(help="rotation axis right of the middle, pixels")
    ] = USUAL.centre_offset,
    photons: Annotated[float, typer.Option(help="mean count of an open pixel")] = USUAL.photons,
    bad_columns: Annotated[
        int, typer.Option(help="patches of detector columns that make rings")
    ] = USUAL.bad_columns,
    pixel_size: Annotated[float, typer.Option(help="micrometres")] = USUAL.pixel_size,
) -> None:
    """Make a specimen of KIND and scan it: noise, rings, dark current, a shifted axis."""
    how = Acquisition(
        angles=angles,
        centre_offset=centre_offset,
        photons=photons,
        bad_columns=bad_columns,
        pixel_size=pixel_size,
        seed=seed,
    )
    try:
        with reporting("slices projected") as report:
            truth = write_scan(out, make_specimen(kind, size, height, seed), how, report)
    except InputFault as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}", 1)
    typer.echo(f"projections: {out}\ntruth: {truth}")


def main() -> None:
    """Run the program."""
    app()


if __name__ == "__main__":
    main()
