"""Which parts of the annotated slices each epoch learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np

from tomobeam_contracts.tree import UNLABELLED
from tomobeam_segmentation.samples import Array, Painted

# Of an epoch: with fewer crops a network would hear of its errors too seldom.
FEWEST, MOST = 32, 512


Batch = tuple[Array, Array]
"""input, float32 (n, 1, h, w), and target, int64 (n, h, w)"""
T = TypeVar("T")


@dataclass(frozen=True)
class Lesson:
    """An annotated slice."""

    plane: Array
    """the network's input, float32 (H, W)"""
    target: Array
    """int64 (H, W): number of the class, −1 where there is nothing to learn"""
    painted: Painted
    """the others"""

    @classmethod
    def of(cls, plane: Array, painted: Painted) -> Self:
        """The lesson of some painted pixels, whose labels are numbers of classes."""
        target = np.full(plane.shape, UNLABELLED, np.int64)
        target[painted.rows, painted.columns] = painted.labels
        return cls(plane, target, painted)


def epoch_batches(
    lessons: list[Lesson], crop: int, batch: int, random: np.random.Generator, *, augment: bool
) -> Iterator[Batch]:
    """The batches of an epoch: crops around pixels of every stroke, in any order.

    A large stroke gives several crops; the same generator gives the same batches.
    """
    places = _places(lessons, crop, random)
    places *= -(-FEWEST // len(places))
    for chosen in _in_batches(places, batch):
        parts = [_cut(lessons[k], row, column, crop, random) for k, row, column in chosen]
        if augment:
            parts = [_turned(*part, random) for part in parts]
        yield _stacked(parts)


def exam_batches(lessons: list[Lesson], crop: int, batch: int, seed: int) -> list[Batch]:
    """Crops around every stroke, to test on: the same ones after each epoch."""
    if not lessons:
        return []
    random = np.random.default_rng(seed)
    parts = [
        _cut(lessons[k], row, column, crop, random)
        for k, row, column in _places(lessons, crop, random)
    ]
    return [_stacked(some) for some in _in_batches(parts, batch)]


def crop_size(lessons: list[Lesson], wanted: int, grid: int) -> int:
    """The side of the crops: a multiple of `grid` that fits into every slice."""
    smallest = min(size for lesson in lessons for size in lesson.plane.shape)
    return max(grid, min(wanted, smallest) // grid * grid)


def _places(
    lessons: list[Lesson], crop: int, random: np.random.Generator
) -> list[tuple[int, int, int]]:
    found = []
    for k, lesson in enumerate(lessons):
        for stroke in np.unique(lesson.painted.strokes):
            members = np.flatnonzero(lesson.painted.strokes == stroke)
            times = 1 + members.size // (crop * crop // 4)
            for n in random.choice(members, times):
                found.append((k, int(lesson.painted.rows[n]), int(lesson.painted.columns[n])))
    return [found[n] for n in random.permutation(len(found))[:MOST]]


def _in_batches(items: list[T], size: int) -> Iterator[list[T]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def _stacked(parts: list[tuple[Array, Array]]) -> Batch:
    planes, targets = zip(*parts, strict=True)
    return np.stack(planes)[:, None], np.stack(targets)


def _cut(
    lesson: Lesson, row: int, column: int, crop: int, random: np.random.Generator
) -> tuple[Array, Array]:
    # The pixel is somewhere in the middle half of the crop, unless the slice ends.
    corner = []
    for at, size in zip((row, column), lesson.plane.shape, strict=True):
        shifted = at - crop // 2 + int(random.integers(-crop // 4, crop // 4 + 1))
        corner.append(min(max(shifted, 0), size - crop))
    here = tuple(slice(start, start + crop) for start in corner)
    return lesson.plane[here], lesson.target[here]


def _turned(plane: Array, target: Array, random: np.random.Generator) -> tuple[Array, Array]:
    quarters, mirrored = int(random.integers(4)), bool(random.integers(2))
    turned = [np.rot90(part, quarters) for part in (plane, target)]
    plane, target = [np.flip(part, 0) if mirrored else part for part in turned]
    return np.ascontiguousarray(plane), np.ascontiguousarray(target)
