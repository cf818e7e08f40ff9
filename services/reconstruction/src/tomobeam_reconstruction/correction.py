"""From counts to line integrals: dark and flat correction, rings, the logarithm."""

from __future__ import annotations

import numpy as np
from algotom.prep import removal
from numpy.typing import NDArray

from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.options import Rings

# A transmission below this is noise: the logarithm must stay finite.
DARKEST = 1e-4
Floats = NDArray[np.float32]


def transmission(counts: Floats, flat: Floats, dark: Floats) -> Floats:
    """Dark and flat correction, `(counts − dark) / (flat − dark)`, float32 of counts' shape.

    A pixel whose flat field is not brighter than its dark field is dead: it gets the mean gain,
    as in algotom, and the ring removal deals with it. `flat` and `dark` broadcast to `counts`.
    """
    gain = flat - dark
    alive = gain > 0
    gain = np.where(alive, gain, gain[alive].mean() if alive.any() else 1)
    return np.maximum((counts - dark) / gain, DARKEST, dtype=np.float32)


def remove_rings(sinogram: Floats, method: Rings) -> Floats:
    """Take the stripes out of a sinogram of transmissions, float32 (angles, x).

    Raises:
        InputFault: the method cannot work on it.
    """
    if method is Rings.NONE:
        return sinogram
    # The paper's 21 and 51 columns are for a detector of 2560.
    width = sinogram.shape[1]
    small, large = _odd(np.clip(width // 40, 5, 21)), _odd(np.clip(width // 10, 11, 51))
    try:
        if method is Rings.SORTING:
            cleaned = removal.remove_stripe_based_sorting(sinogram, size=small)
        elif method is Rings.FILTERING:
            cleaned = removal.remove_stripe_based_filtering(sinogram, sigma=3, size=small)
        else:
            cleaned = removal.remove_all_stripe(sinogram, snr=3.0, la_size=large, sm_size=small)
    except ValueError as error:
        raise InputFault(f"rings: {method} does not work on these projections: {error}") from error
    return np.asarray(cleaned, np.float32)


def line_integrals(sinogram: Floats) -> Floats:
    """The Beer-Lambert law, `−log` of transmissions, float32."""
    return -np.log(np.maximum(sinogram, DARKEST), dtype=np.float32)


def _odd(size: int) -> int:
    return int(size) | 1
