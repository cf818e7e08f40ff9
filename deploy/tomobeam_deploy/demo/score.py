"""Compares a segmentation with the ground truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mean_iou(labels: NDArray[Any], truth: NDArray[Any], classes: int) -> float:
    """Mean over the classes of intersection over union (Jaccard 1912), 0 to 1.

    Args:
        labels, truth: integer arrays of one shape, classes 0…n−1.
        classes: how many; one that occurs in neither array does not count.

    Raises:
        ValueError: the shapes differ.
    """
    if labels.shape != truth.shape:
        raise ValueError(f"the result's shape {labels.shape} is not the truth's {truth.shape}")
    scores = []
    for value in range(classes):
        found, real = labels == value, truth == value
        if union := np.count_nonzero(found | real):
            scores.append(np.count_nonzero(found & real) / union)
    return float(np.mean(scores))
