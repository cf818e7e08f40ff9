"""The centre of rotation."""

from __future__ import annotations

import warnings

import numpy as np
from algotom.prep.calculation import find_center_vo
from numpy.typing import NDArray

from tomobeam_reconstruction.faults import InputFault

HALF_TURN = np.pi
# Projections that end one step short of half a turn are still half a turn.
SLACK_STEPS = 1.5


def half_turn(angles: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the projections of the first half turn, in the order of their angles.

    Raises:
        InputFault: the angles do not reach half a turn.
    """
    order = np.argsort(angles, kind="stable")
    ascending = angles[order]
    step = float(np.median(np.diff(ascending)))
    span = float(ascending[-1] - ascending[0])
    if span < HALF_TURN - SLACK_STEPS * step:
        raise InputFault(
            f"centre: the projections cover {np.rad2deg(span):.1f}°, and finding the centre takes "
            "180°; give it with --centre"
        )
    return order[ascending - ascending[0] <= HALF_TURN + 0.5 * step]


def find_centre(sinograms: NDArray[np.float32], angles: NDArray[np.float64]) -> float:
    """Column of the rotation axis, pixels from the middle of the first column.

    The method of Vo, Drakopoulos, Atwood and Reinhard, Reliable method for calculating the center
    of rotation in parallel-beam tomography, Optics Express 22 (2014) 19078,
    https://doi.org/10.1364/OE.22.019078, as algotom has it, on each sinogram; the median counts.
    It looks within a sixteenth of the width on either side of the middle.

    Args:
        sinograms: line integrals, float32 (a, n, x).
        angles: radians (a,).

    Raises:
        InputFault: no centre within that range.
    """
    rows = half_turn(angles)
    found = []
    for k in range(sinograms.shape[1]):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                found.append(float(find_center_vo(sinograms[rows, k], ncore=1)))
            except UserWarning:
                continue
    if not found:
        width = sinograms.shape[2]
        raise InputFault(
            f"centre: none found within {width // 16} pixels of the middle, column {width // 2}; "
            "give it with --centre"
        )
    return float(np.median(found))
