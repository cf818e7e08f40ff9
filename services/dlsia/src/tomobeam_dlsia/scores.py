"""How good a segmentation is, by the pixels that were held out."""

from __future__ import annotations

import numpy as np

from tomobeam_segmentation.samples import Array


class Tally:
    """Counts of (true class, found class)."""

    def __init__(self, classes: int) -> None:
        self._counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: Array, found: Array) -> None:
        """Count pixels: the class that each is, and the one that was found, both int (n,)."""
        np.add.at(self._counts, (truth, found), 1)

    @property
    def accuracy(self) -> float:
        """Share of the pixels whose class was found."""
        return float(np.trace(self._counts) / self._counts.sum())

    @property
    def iou(self) -> float:
        """Mean over the classes of intersection over union; a class that nowhere occurs is none."""
        hits = np.diag(self._counts)
        union = self._counts.sum(axis=0) + self._counts.sum(axis=1) - hits
        return float(np.mean(hits[union > 0] / union[union > 0]))
