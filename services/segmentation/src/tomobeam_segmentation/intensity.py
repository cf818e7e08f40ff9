"""The grey values of an image on one scale, so that training and inference see the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tomobeam_contracts.wire import Wire
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.features import Plane

SAMPLED_SLICES = 9
SAMPLED_PIXELS = 100_000
PERCENTILES = (0.5, 99.5)


class IntensityRange(Wire):
    """The robust range of a stack: `low` becomes 0 and `high` becomes 1."""

    low: float
    high: float

    def normalise(self, plane: np.ndarray[Any, Any]) -> tuple[Plane, np.ndarray[Any, Any]]:
        """`plane` (H, W) on this range, float32, and where it is finite, bool (H, W).

        Pixels without a value (NaN, infinite) become the middle of the range, which keeps them
        from spreading through the filters.
        """
        finite = np.isfinite(plane)
        scaled = (plane.astype(np.float32) - np.float32(self.low)) / np.float32(
            self.high - self.low
        )
        return np.where(finite, scaled, np.float32(0.5)), finite


def measure_range(read_slice: Callable[[int], np.ndarray[Any, Any]], slices: int) -> IntensityRange:
    """The robust range of a stack of `slices` slices, from a few spread over it.

    Raises:
        JobError: the sampled slices hold no two different finite values.
    """
    chosen = np.unique(np.linspace(0, slices - 1, min(SAMPLED_SLICES, slices)).round().astype(int))
    samples = []
    for z in chosen:
        values = read_slice(int(z)).ravel()
        values = values[:: max(1, values.size // SAMPLED_PIXELS)].astype(np.float64)
        samples.append(values[np.isfinite(values)])
    values = np.concatenate(samples)
    if values.size == 0:
        raise JobError(
            "io_parameters.data_tiled_uri: the image holds no finite value in the slices looked at"
        )
    low, high = np.percentile(values, PERCENTILES)
    if not low < high:
        low, high = values.min(), values.max()
    if not np.float32(low) < np.float32(high):
        raise JobError(
            f"io_parameters.data_tiled_uri: every pixel looked at is {low:g}; nothing to tell apart"
        )
    return IntensityRange(low=float(low), high=float(high))
