"""From sparse masks to the pixels that a classifier learns from, and those it is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import ndimage

from tomobeam_contracts.tree import UNLABELLED

Array = np.ndarray[Any, Any]

HELD_OUT = 0.25
EIGHT_NEIGHBOURS = np.ones((3, 3), int)


@dataclass(frozen=True)
class Painted:
    """Chosen pixels of one slice."""

    rows: Array
    columns: Array
    labels: Array
    strokes: Array

    def __len__(self) -> int:
        return self.labels.size

    def where(self, chosen: Array) -> Painted:
        """Those of them that `chosen`, a boolean or index array, names."""
        return Painted(
            self.rows[chosen], self.columns[chosen], self.labels[chosen], self.strokes[chosen]
        )

    @classmethod
    def join(cls, parts: Sequence[Painted]) -> Self:
        """All of them, one after the other."""
        return cls(
            *(
                np.concatenate([np.empty(0, np.int64), *(getattr(part, name) for part in parts)])
                for name in ("rows", "columns", "labels", "strokes")
            )
        )


def painted_pixels(mask: Array, most: int, seed: int, first_stroke: int = 0) -> Painted:
    """The labelled pixels of one mask plane, int8 (H, W), at most `most` of each class.

    Touching pixels of one class are one stroke, numbered from `first_stroke`.
    """
    random = np.random.default_rng((seed, first_stroke))
    found = []
    for label in np.unique(mask[mask != UNLABELLED]):
        strokes = np.empty(mask.shape, np.int32)
        count = int(ndimage.label(mask == label, EIGHT_NEIGHBOURS, strokes))  # type: ignore[arg-type]
        rows, columns = np.nonzero(strokes)
        chosen = _thin(rows.size, most, random)
        rows, columns = rows[chosen], columns[chosen]
        numbers = strokes[rows, columns] - 1 + first_stroke
        found.append(Painted(rows, columns, np.full(rows.size, label, np.int64), numbers))
        first_stroke += count
    return Painted.join(found)


def evenly(labels: Array, most: int, seed: int) -> Array:
    """Indices of at most `most` samples of each class, ascending, drawn at random."""
    random = np.random.default_rng(seed)
    kept = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        kept.append(members[_thin(members.size, most, random)])
    return np.sort(np.concatenate(kept))


def held_out(labels: Array, strokes: Array, seed: int) -> Array:
    """Which samples to test on, bool (n,): about a quarter of each class.

    Whole strokes where a class has several, because neighbours in one stroke are nearly equal
    and would flatter the score; else single pixels. One sample of each class stays to learn from.
    """
    random = np.random.default_rng(seed)
    chosen = np.zeros(labels.size, bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        wanted = members.size * HELD_OUT
        names, sizes = np.unique(strokes[members], return_counts=True)
        if names.size == 1:
            chosen[random.permutation(members)[: int(wanted)]] = True
            continue
        order = random.permutation(names.size)
        taken = max(1, int(np.searchsorted(np.cumsum(sizes[order]), wanted)))
        taken = min(taken, names.size - 1)
        chosen[members] = np.isin(strokes[members], names[order[:taken]])
    return chosen


def test_scores(truth: Array, found: Array, names: list[str]) -> dict[str, float]:
    """Accuracy, and F1 of each class and their mean, on pixels that were held out."""
    scores = {"heldout_accuracy": float(np.mean(truth == found))}
    f1 = []
    for label, name in enumerate(names):
        hits = int(np.sum((truth == label) & (found == label)))
        claimed = int(np.sum(truth == label) + np.sum(found == label))
        if claimed == 0:
            continue
        f1.append(2 * hits / claimed)
        scores[f"heldout_f1_{name}"] = f1[-1]
    return {**scores, "heldout_f1_mean": float(np.mean(f1))}


def _thin(size: int, most: int, random: np.random.Generator) -> Array:
    if size <= most:
        return np.arange(size)
    return np.sort(random.choice(size, most, replace=False))
