"""A file store as these tests fill it, and a clock that they move."""

from __future__ import annotations

import os
import time
from pathlib import Path

import h5py
import numpy as np
import tifffile

from tomobeam_contracts.scan import ScanReady

VOXELS = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = time.time() + 1

    def __call__(self) -> float:
        return self.now


def images(folder: Path, pattern: str = "img_%05d.tiff", voxels: np.ndarray = VOXELS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(voxels):
        tifffile.imwrite(folder / (pattern % number), image)
    return folder


def processed(folder: Path, shape: tuple[int, ...] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "x_processed.nxs"
    with h5py.File(path, "w") as file:
        if shape is not None:
            file["entry/reconstruction/shape"] = shape
    return path


def told(path: Path, **fields: object) -> ScanReady:
    return ScanReady.receive({"filePath": str(path), **fields})


def settle(folder: Path) -> None:
    then = time.time() - 3600
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))
