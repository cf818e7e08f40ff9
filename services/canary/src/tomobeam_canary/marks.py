"""Marks by grey value alone: all that a canary knows of its image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomobeam_canary.hops import CanaryFault
from tomobeam_contracts.tree import UNLABELLED, MaskClass

SHARE = 0.02
CLASSES = [MaskClass(name="dark", color="#56b4e9"), MaskClass(name="bright", color="#e69f00")]
# Why these pixels, as the mask's metadata says it.
ANNOTATION = {"kind": "grey values", "share": SHARE}
_EDGE = 2


def marks(planes: NDArray[Any]) -> NDArray[np.int8]:
    """The darkest and the brightest pixels of what the reconstruction covers, as two classes.

    Args:
        planes: slices, (n, H, W).

    Returns:
        int8 (n, H, W), `UNLABELLED` between them and outside.

    Raises:
        CanaryFault: the slices are of one grey value.
    """
    _, height, width = planes.shape
    y, x = np.ogrid[:height, :width]
    radius = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    covered = radius < min(height, width) / 2 - _EDGE
    dark, bright = np.quantile(planes[:, covered], [SHARE, 1 - SHARE])
    if not dark < bright:
        raise CanaryFault(f"the slices that Tiled gives are blank: all of them {dark:g}")
    mask = np.full(planes.shape, UNLABELLED, np.int8)
    mask[covered & (planes <= dark)] = 0
    mask[covered & (planes >= bright)] = 1
    return mask


def agreement(labels: NDArray[Any], mask: NDArray[np.int8]) -> float:
    """The share of the marked pixels that a segmentation, (n, H, W), sees as they are marked.

    Raises:
        CanaryFault: it is of another shape.
    """
    if labels.shape != mask.shape:
        raise CanaryFault(f"the result's shape {labels.shape} is not the mask's {mask.shape}")
    marked = mask != UNLABELLED
    return float(np.mean(labels[marked] == mask[marked]))
