"""Marks by grey value, and how a segmentation agrees with them."""

from __future__ import annotations

import numpy as np
import pytest

from tomobeam_canary.hops import CanaryFault
from tomobeam_canary.marks import SHARE, agreement, marks
from tomobeam_contracts.tree import UNLABELLED

SHAPE = (2, 40, 40)


def planes() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE, dtype=np.float32)


def test_the_darkest_and_the_brightest_of_what_is_covered_are_marked() -> None:
    image = planes()
    # What a reconstruction does not cover is the darkest of all.
    image[:, :4, :4] = -1.0
    mask = marks(image)
    assert mask.dtype == np.int8
    assert (mask[:, :4, :4] == UNLABELLED).all()
    dark, bright, between = (image[mask == value] for value in (0, 1, UNLABELLED))
    assert dark.max() < bright.min()
    assert 0.5 * SHARE < dark.size / mask.size < SHARE
    assert 0.5 * SHARE < bright.size / mask.size < SHARE
    assert between.size > 0.9 * mask.size


def test_a_blank_image_is_a_fault() -> None:
    with pytest.raises(CanaryFault, match=r"blank: all of them 3"):
        marks(np.full(SHAPE, 3.0, np.float32))


def test_agreement_counts_marked_pixels_only() -> None:
    mask = marks(planes())
    labels = np.where(mask == UNLABELLED, 1, mask)
    assert agreement(labels, mask) == 1.0
    wrong = np.where(mask == 0, 1, labels)
    assert agreement(wrong, mask) == pytest.approx(0.5, abs=0.02)


def test_a_result_of_another_shape_is_a_fault() -> None:
    mask = marks(planes())
    with pytest.raises(CanaryFault, match="shape"):
        agreement(mask[:1], mask)
