"""Filtered back-projection of one slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from algotom.rec import reconstruction as algotom
from algotom.util.utility import make_circle_mask
from numba import njit
from numpy.typing import NDArray

from tomobeam_reconstruction.options import Smoothing

# algotom compiles this loop with parallel=True over the angles, whose threads then add to the
# same voxels: with two threads the result changed from call to call by up to 5 % of the range.
# Compiled without, it is exact, and slices run side by side in threads of ours instead. The
# signature makes numba compile here and now: from two threads at once it may fail.
_SIGNATURE = "float32[:, ::1](float32[:, ::1], float32[::1], float64, boolean)"
_back_project: Any = njit(_SIGNATURE, nogil=True)(algotom.back_projection_cpu.py_func)


def angular_weights(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of the half turn that each projection stands for; they sum to π.

    Half the gap to its neighbours modulo π, so that half and full turns, uneven steps and a first
    angle repeated at the end all count right.
    """
    turned = np.mod(angles, np.pi)
    order = np.argsort(turned, kind="stable")
    gaps = np.diff(turned[order], append=turned[order[0]] + np.pi)
    weights = np.empty(len(angles))
    weights[order] = 0.5 * (gaps + np.roll(gaps, 1))
    return weights


class BackProjector:
    """Reconstructs sinograms of one width and one set of angles. Safe to share between threads."""

    def __init__(
        self,
        angles: NDArray[np.float64],
        centre: float,
        width: int,
        smoothing: Smoothing = Smoothing.NONE,
    ) -> None:
        """`angles` in radians (a,); `centre` is the column of the rotation axis, pixels."""
        self._angles = angles.astype(np.float32)
        self._weights = angular_weights(angles)[:, None]
        self._centre = float(centre)
        self._pad = width // 2
        window = None if smoothing is Smoothing.NONE else str(smoothing)
        self._window = algotom.make_2d_ramp_window(len(angles), width + 2 * self._pad, window)
        self._mask = np.asarray(make_circle_mask(width, 1.0), np.float32)

    def __call__(self, sinogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Linear attenuation per pixel, float32 (x, x), zero outside the field of view's circle.

        Args:
            sinogram: line integrals, float32 (a, x).
        """
        filtered = algotom.apply_ramp_filter(sinogram, self._window, pad=self._pad)
        weighted = np.ascontiguousarray(filtered * self._weights, np.float32)
        return _back_project(weighted, self._angles, self._centre, False) * self._mask
