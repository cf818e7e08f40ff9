"""The layouts in which reconstructions reach the file store (wire 1)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.options import Layout

_NAME = re.compile(r"[A-Za-z0-9._+@=-]+")


@dataclass(frozen=True)
class StackPlan:
    """Names in one scan folder; `file_name` has a place for the number of the slice."""

    scan_folder: str
    stack_folder: str
    file_name: str
    process_file: str

    def image(self, index: int) -> Path:
        """A slice's file, relative to the scan folder."""
        return Path(self.stack_folder, self.file_name % index)


def plan(layout: Layout, name: str, when: datetime, step: int) -> StackPlan:
    """The names that Savu or httomo would give; `step` is the number of the saving step.

    Raises:
        InputFault: the name cannot be part of a file's name.
    """
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise InputFault(f"name: {name!r} may hold letters, digits and . _ + @ = - only")
    if layout is Layout.SAVU:
        folder, file_name = f"TiffSaver_{step}", f"img_{name}_%05d.tiff"
        return StackPlan(f"{when:%Y%m%d%H%M%S}_{name}", folder, file_name, f"{name}_processed.nxs")
    scan = f"{when:%d-%m-%Y_%H_%M_%S}_output"
    return StackPlan(scan, "images32bit_tif", "%05d.tif", f"{name}_processed.nxs")


def write_slice(path: Path, image: NDArray[np.float32]) -> None:
    """Write one page of float32 and see it to the disk: the process file vouches for it."""
    page = BytesIO()
    tifffile.imwrite(page, image, photometric="minisblack", metadata=None, software="tomobeam")
    write_synced(path, page)


def write_synced(path: Path, content: BytesIO) -> None:
    """Write a file and see it to the disk.

    Raises:
        OSError: it cannot be written, such as when the disk is full.
    """
    with path.open("wb") as file:
        file.write(content.getbuffer())
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """See a folder's entries to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
