from __future__ import annotations

import numpy as np
import pytest

from tomobeam_segmentation.samples import evenly, held_out, painted_pixels
from tomobeam_segmentation.samples import test_scores as scores_of


@pytest.fixture
def mask():
    mask = np.full((10, 12), -1, np.int8)
    mask[1, 1:5] = 0
    mask[7:9, 1:3] = 0
    mask[4, 8:11] = 2
    mask[5, 11] = 2  # Touches by a corner: the same stroke.
    return mask


def test_painted_pixels_are_those_of_the_mask(mask):
    painted = painted_pixels(mask, 1000, seed=0, first_stroke=5)
    assert len(painted) == 12
    np.testing.assert_array_equal(mask[painted.rows, painted.columns], painted.labels)
    assert sorted(set(painted.strokes)) == [5, 6, 7]
    assert set(painted.strokes[painted.labels == 2]) == {7}


def test_an_unpainted_plane_gives_nothing():
    assert len(painted_pixels(np.full((4, 4), -1, np.int8), 10, seed=0)) == 0


def test_thinning_bounds_each_class_and_repeats(mask):
    first, second = (painted_pixels(mask, 3, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.rows, second.rows)
    assert np.bincount(first.labels).tolist() == [3, 0, 3]


def test_evenly_bounds_each_class():
    labels = np.repeat([0, 1, 4], [100, 5, 30])
    chosen = evenly(labels, 10, seed=0)
    assert np.all(np.diff(chosen) > 0)
    assert np.bincount(labels[chosen]).tolist() == [10, 5, 0, 0, 10]


@pytest.mark.parametrize("seed", range(20))
def test_whole_strokes_are_held_out_and_each_class_keeps_some(seed):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), [200, 60, 8])
    strokes = np.concatenate(
        [random.integers(0, 9, 200), 20 + random.integers(0, 2, 60), np.full(8, 40)]
    )
    tested = held_out(labels, strokes, seed)
    for label in range(3):
        assert not tested[labels == label].all()
        assert tested[labels == label].any()
    for stroke in set(strokes[labels < 2]):
        assert len(set(tested[strokes == stroke])) == 1


def test_one_pixel_of_a_class_is_never_held_out():
    assert not held_out(np.array([0, 1]), np.array([0, 1]), 0).any()


def test_scores_by_hand():
    truth, found = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 1])
    scores = scores_of(truth, found, ["pore", "grain"])
    assert scores["heldout_accuracy"] == pytest.approx(5 / 6)
    assert scores["heldout_f1_pore"] == pytest.approx(4 / 5)
    assert scores["heldout_f1_grain"] == pytest.approx(6 / 7)
    assert scores["heldout_f1_mean"] == pytest.approx((4 / 5 + 6 / 7) / 2)
