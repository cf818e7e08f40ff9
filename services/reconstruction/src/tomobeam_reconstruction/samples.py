"""`python -m tomobeam_reconstruction.samples OUT`: the sample reconstructions, made again."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tomobeam_common.settings import fail
from tomobeam_reconstruction.acquire import Acquisition
from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.progress import reporting
from tomobeam_reconstruction.reconstruct import Reconstruction, reconstruct
from tomobeam_reconstruction.scan_file import write_scan
from tomobeam_reconstruction.specimens import Kind, make_specimen

# Fixed, so that the same samples have the same names.
WHEN = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
SEED = 7
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def write_samples(
    out: Path, size: int = 128, height: int = 48, angles: int = 181
) -> list[Reconstruction]:
    """One reconstruction of every kind of specimen, in Savu's layout, with its truth inside.

    The same arguments give the same arrays.

    Raises:
        InputFault: a sample is there already, or an argument that no scan can have.
    """
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in Kind:
            projections = Path(folder, f"{kind}.nxs")
            specimen = make_specimen(kind, size, height, SEED)
            how = Acquisition(angles=angles, bad_columns=3, centre_offset=1.5, seed=SEED)
            truth = write_scan(projections, specimen, how)
            with reporting(f"slices of {kind} reconstructed") as report:
                scan = reconstruct(
                    projections,
                    out,
                    progress=report,
                    when=WHEN,
                    source=f"tomobeam-specimen {kind}, seed {SEED}",
                )
            done.append(scan)
            shutil.copyfile(truth, scan.scan_folder / truth.name)
    return done


@app.command()
def samples(
    out: Annotated[Path, typer.Argument(help="folder; one that holds the samples is refused")],
    size: Annotated[int, typer.Option(help="columns of the detector")] = 128,
    height: Annotated[int, typer.Option(help="slices")] = 48,
    angles: Annotated[int, typer.Option(help="projections")] = 181,
) -> None:
    """Make the sample reconstructions in OUT."""
    try:
        for done in write_samples(out, size, height, angles):
            typer.echo(str(done.process_file))
    except InputFault as error:
        fail(str(error))


if __name__ == "__main__":
    app()
