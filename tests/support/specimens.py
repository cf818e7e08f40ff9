"""Small textured slices with exact ground truth, and strokes as a scientist would paint them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

Array = np.ndarray[Any, Any]
CLASSES = ("pore", "grain", "fibre")


def textured_stack(slices: int, size: int, seed: int = 0) -> tuple[Array, Array]:
    """Bright grains and a finely striped region in a dark matrix, with noise.

    Returns the image, float32 (slices, size, size), and the classes, int8 of the same shape. Grey
    value alone cannot tell the stripes: their mean is the matrix's.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    truth = np.zeros((slices, size, size), np.int8)
    for plane in truth:
        for _ in range(max(3, size * size // 1800)):
            row, column = random.integers(0, size, 2)
            plane[np.hypot(y - row, x - column) < random.integers(6, 12)] = 1
        row, column = random.integers(size // 4, 3 * size // 4, 2)
        plane[np.hypot(y - row, x - column) < size // 5] = 2
    image = 0.5 * (truth == 1) + 0.5 * np.sin(x * 1.3) * (truth == 2)
    noisy = image + random.normal(0, 0.15, image.shape)
    return (noisy * 2e-3).astype(np.float32), truth


def strokes(truth: Array, per_class: int, seed: int = 0) -> Array:
    """Small square strokes inside each class of one slice, int8 (H, W), −1 = unlabelled."""
    random = np.random.default_rng(seed)
    mask = np.full(truth.shape, -1, np.int8)
    for label in np.unique(truth):
        inside = ndimage.binary_erosion(truth == label, iterations=2)
        rows, columns = np.nonzero(inside)
        for at in random.integers(rows.size, size=per_class):
            here = np.zeros(truth.shape, bool)
            here[rows[at] - 2 : rows[at] + 3, columns[at] - 2 : columns[at] + 3] = True
            mask[here & inside] = label
    return mask


def mean_iou(found: Array, truth: Array) -> float:
    """Mean over the classes of intersection over union."""
    scores = []
    for label in np.unique(truth):
        both = np.sum((found == label) & (truth == label))
        scores.append(both / np.sum((found == label) | (truth == label)))
    return float(np.mean(scores))
