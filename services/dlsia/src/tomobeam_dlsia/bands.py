"""How a slice becomes what a network takes."""

from __future__ import annotations

import numpy as np

from tomobeam_segmentation.features import Plane

BAND_PIXELS = 1 << 20


def as_input(plane: Plane, grid: int) -> Plane:
    """`plane` as the networks see it: the intensity range from −1 to 1, outliers cut off.

    Rows and columns are added at the end, up to multiples of `grid`, as copies of the last.
    """
    added = [(0, -size % grid) for size in plane.shape]
    return np.pad(np.clip(plane, -0.5, 1.5) * 2 - 1, added, mode="edge").astype(np.float32)


def band_rows(shape: tuple[int, ...], grid: int, band_pixels: int) -> list[slice]:
    """The rows of each band of a slice of that shape; every band begins on the grid."""
    height, width = shape
    step = max(1, band_pixels // (width * grid)) * grid
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]
