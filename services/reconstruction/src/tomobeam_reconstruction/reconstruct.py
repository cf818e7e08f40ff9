"""From a file of projections to a stack of slices on the file store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from tomobeam_reconstruction.backprojection import BackProjector
from tomobeam_reconstruction.centre import find_centre
from tomobeam_reconstruction.correction import (
    Floats,
    line_integrals,
    remove_rings,
    transmission,
)
from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.nxtomo import Projections
from tomobeam_reconstruction.options import Layout, Options, Rings
from tomobeam_reconstruction.process_file import Step, write_process
from tomobeam_reconstruction.progress import Report
from tomobeam_reconstruction.stack import StackPlan, plan, sync_folder, write_slice

MIB = 1 << 20
# Memory in units of a slice's float32 sinogram, measured with tracemalloc and rounded up: of each
# slice of a chunk (as stored, as counts, corrected), of a slice at work in a thread (spectra of
# the padded sinogram), and of the filter that all threads share.
CHUNK_SINOGRAMS, WORKING_SINOGRAMS, SHARED_SINOGRAMS = 5, 28, 8
# A slice at work, masked, and as it is written.
WORKING_SLICES = 3
CENTRE_SINOGRAMS = 3


@dataclass(frozen=True)
class Reconstruction:
    """What was written: `count` slices of `shape` (y, x), float32."""

    scan_folder: Path
    stack_folder: Path
    process_file: Path
    count: int
    shape: tuple[int, int]
    centre: float
    pixel_size: float | None
    layout: Layout

    @property
    def announced(self) -> Path:
        """The path by which wire 1 knows it: Savu's process file, or httomo's folder of images."""
        return self.process_file if self.layout is Layout.SAVU else self.stack_folder

    def read(self) -> NDArray[np.float32]:
        """The stack, float32 (z, y, x)."""
        files = sorted(self.stack_folder.iterdir())
        return np.stack([tifffile.imread(file) for file in files])


def reconstruct(
    projections: Path,
    out_root: Path,
    options: Options | None = None,
    *,
    progress: Report | None = None,
    when: datetime | None = None,
    source: str | None = None,
) -> Reconstruction:
    """Reconstruct an NXtomo file by filtered back-projection.

    The scan's folder appears below `out_root` in one step when everything is in it; until then
    its name starts with a dot and ends in `.part`. Within it the process file is written last.

    Args:
        projections: see `Projections` for what it must hold.
        out_root: made where it is missing.
        options: how.
        progress: told (slices done, slices).
        when: names the folder; by default now.
        source: what the process file names as the source; by default the projections' path.

    Raises:
        InputFault: the projections or an option cannot be used.
        OSError: the stack cannot be written; nothing of it is left.
    """
    options = options or Options()
    when = when or datetime.now().astimezone()
    with Projections(projections) as scan:
        workers = options.workers or os.cpu_count() or 1
        rows = chunk_rows(scan, options.memory_mib, workers)
        centre = _centre(scan, options)
        steps = _steps(scan, options, centre, source or str(projections.absolute()))
        names = plan(options.layout, options.name or projections.stem, when, len(steps))
        with _folder(out_root, names.scan_folder) as folder:
            project = BackProjector(scan.angles, centre, scan.width, options.smoothing)
            (folder / names.stack_folder).mkdir()
            job = _Job(scan, options.rings, project, folder, names, workers)
            _write_stack(job, rows, progress)
            write_process(
                folder / names.process_file,
                steps=steps,
                when=when,
                stack=str(Path(names.stack_folder, names.file_name)),
                shape=(scan.height, scan.width, scan.width),
                pixel_size=scan.pixel_size,
            )
        final = out_root / names.scan_folder
        return Reconstruction(
            scan_folder=final,
            stack_folder=final / names.stack_folder,
            process_file=final / names.process_file,
            count=scan.height,
            shape=(scan.width, scan.width),
            centre=centre,
            pixel_size=scan.pixel_size,
            layout=options.layout,
        )


def chunk_rows(scan: Projections, memory_mib: int, workers: int) -> int:
    """How many slices fit into the memory at once.

    Raises:
        InputFault: not one; says how much it takes.
    """
    sinogram = 4 * len(scan.angles) * scan.width
    working = SHARED_SINOGRAMS * sinogram
    working += workers * (WORKING_SINOGRAMS * sinogram + WORKING_SLICES * 4 * scan.width**2)
    rows = (memory_mib * MIB - working) // (CHUNK_SINOGRAMS * sinogram)
    if rows < 1:
        least = -(-(working + CHUNK_SINOGRAMS * sinogram) // MIB)
        raise InputFault(
            f"memory: {memory_mib} MiB are too few for {scan.path} with {workers} workers; "
            f"it takes at least {least}"
        )
    return int(min(rows, scan.height))


def _centre(scan: Projections, options: Options) -> float:
    if options.centre is not None:
        if not 0 <= options.centre <= scan.width - 1:
            raise InputFault(
                f"centre: {options.centre:g} is not a column of {scan.path}, 0 to {scan.width - 1}"
            )
        return options.centre
    few = min(CENTRE_SINOGRAMS, scan.height)
    chosen = np.unique(np.linspace(0.25, 0.75, few) * (scan.height - 1)).astype(int)
    sinograms = [_corrected(scan, int(z), int(z) + 1)[:, 0] for z in chosen]
    cleaned = [line_integrals(remove_rings(sinogram, options.rings)) for sinogram in sinograms]
    return find_centre(np.stack(cleaned, axis=1), scan.angles)


def _corrected(scan: Projections, start: int, stop: int) -> Floats:
    return transmission(scan.read(start, stop), scan.flat[start:stop], scan.dark[start:stop])


@dataclass(frozen=True)
class _Job:
    scan: Projections
    rings: Rings
    project: BackProjector
    folder: Path
    names: StackPlan
    workers: int

    def write_one(self, task: tuple[int, Floats]) -> None:
        z, sinogram = task
        integrals = line_integrals(remove_rings(sinogram, self.rings))
        write_slice(self.folder / self.names.image(z), self.project(integrals))


def _write_stack(job: _Job, rows: int, progress: Report | None) -> None:
    height, done = job.scan.height, 0
    with ThreadPoolExecutor(job.workers, thread_name_prefix="slice") as pool:
        for start in range(0, height, rows):
            stop = min(start + rows, height)
            block = _corrected(job.scan, start, stop)
            tasks = [(z, block[:, z - start]) for z in range(start, stop)]
            for _ in pool.map(job.write_one, tasks):
                done += 1
                if progress:
                    progress(done, height)
            # The next chunk is read while these names would still hold this one.
            del block, tasks


def _steps(scan: Projections, options: Options, centre: float, source: str) -> list[Step]:
    loaded = {"file": source, "projections": len(scan.angles)}
    stripes = [Step("ring_removal", "algotom", {"method": f"{options.rings} (Vo et al. 2018)"})]
    found = "given" if options.centre is not None else "find_center_vo (Vo et al. 2014)"
    return [
        Step("nxtomo_loader", "tomobeam-reconstruction", loaded),
        Step("dark_flat_correction", "tomobeam-reconstruction"),
        *(stripes if options.rings is not Rings.NONE else []),
        Step("minus_log", "tomobeam-reconstruction"),
        Step("centre_of_rotation", "algotom", {"centre": centre, "method": found}),
        Step("filtered_back_projection", "algotom", {"ramp_smoothing": str(options.smoothing)}),
        Step("tiff_saver", "tifffile", {"layout": str(options.layout)}),
    ]


@contextmanager
def _folder(root: Path, name: str) -> Iterator[Path]:
    """A folder that gets its name when the block ends well, and goes when it does not.

    Raises:
        InputFault: there is something of that name.
    """
    root.mkdir(parents=True, exist_ok=True)
    final = root / name
    if final.exists():
        raise InputFault(f"{final}: is there already")
    part = root / f".{name}.{os.getpid()}.part"
    part.mkdir()
    try:
        yield part
        for folder in (*(p for p in part.iterdir() if p.is_dir()), part):
            sync_folder(folder)
        part.rename(final)
        sync_folder(root)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
