"""A specimen, its projections and its truth, in one call."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from tomobeam_reconstruction.acquire import Acquisition, acquire, rotation_angles, true_centre
from tomobeam_reconstruction.nxtomo import NXtomoWriter
from tomobeam_reconstruction.progress import Report
from tomobeam_reconstruction.specimens import Specimen
from tomobeam_reconstruction.truth import truth_path, write_truth

# Of the HDF5 file, and of the truth beside it.
OVERHEAD = 4 << 20


def write_scan(
    path: Path,
    specimen: Specimen,
    how: Acquisition | None = None,
    progress: Report | None = None,
) -> Path:
    """Scan a specimen into an NXtomo file and put its truth beside it, as `<name>_truth.h5`.

    The projections appear under their name last and whole. Returns the truth's path.

    Raises:
        InputFault: a setting that no scan can have.
        OSError: the files cannot be written.
    """
    how = how or Acquisition()
    how.check(specimen.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = how.angles + 4 * how.frames
    _refuse_full_disk(path, 2 * frames * specimen.height * specimen.size)
    truth, part = truth_path(path), path.with_name(f".{path.name}.part")
    write_truth(truth, specimen, true_centre(specimen.size, how))
    shape = (specimen.height, specimen.size)
    title = f"{specimen.kind}, seed {specimen.seed}"
    try:
        with NXtomoWriter(
            part,
            angles=rotation_angles(how),
            frames=how.frames,
            shape=shape,
            pixel_size=how.pixel_size,
            title=title,
        ) as file:
            for slab in acquire(specimen, how, progress):
                file.write(slab.start, slab.stop, slab.darks, slab.flats, slab.projections)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return truth


def _refuse_full_disk(path: Path, size: int) -> None:
    """HDF5 crashes the process when the disk fills up, so the room is looked for beforehand."""
    if shutil.disk_usage(path.parent).free < size + OVERHEAD:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
