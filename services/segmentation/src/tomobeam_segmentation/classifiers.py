"""The two classifiers, behind one small interface, and how each is kept without pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from tomobeam_segmentation.errors import JobError

Array = np.ndarray[Any, Any]
Told = Callable[[int, int], None]


class Classifier(Protocol):
    """Tells from a pixel's features which class it is."""

    file_name: ClassVar[str]

    @classmethod
    def fit(cls, features: Array, labels: Array, parameters: dict[str, Any], told: Told) -> Self:
        """Learn from `features`, float32 (n, f), and `labels`, int (n,) in 0…k−1.

        `told(done, total)` hears of the trees or rounds made so far. Equal input and seed give
        an equal classifier.
        """
        ...

    @property
    def scores(self) -> dict[str, float]:
        """What the fit itself says of its quality."""
        ...

    def probability(self, features: Array) -> Array:
        """float32 (n, k) from float32 (n, f); safe to call from several threads."""
        ...

    def save(self, path: Path) -> None:
        """Write it to `path`."""
        ...

    @classmethod
    def load(cls, path: Path, n_features: int) -> Self:
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            ValueError: it is no such file, or not of that many features.
        """
        ...


def classifier(algorithm: str) -> type[Classifier]:
    """The class behind the algorithm's name; its library is imported only now.

    Raises:
        JobError: there is no such algorithm.
    """
    if algorithm == "random-forest":
        from tomobeam_segmentation.forest import Forest

        return Forest
    if algorithm == "gradient-boosting":
        from tomobeam_segmentation.boosting import Boosting

        return Boosting
    raise JobError(f"algorithm: there is no {algorithm!r}")


def class_weights(labels: Array, balance: str) -> Array | None:
    """One weight per sample so that every class counts the same, or None where none is asked."""
    if balance != "balanced":
        return None
    counts = np.bincount(labels)
    return (labels.size / (np.count_nonzero(counts) * counts[labels])).astype(np.float32)
