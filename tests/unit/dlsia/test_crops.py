"""What a network is shown: crops, padding, bands; without PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.specimens import strokes, textured_stack
from tomobeam_dlsia.bands import as_input, band_rows
from tomobeam_dlsia.crops import FEWEST, Lesson, crop_size, epoch_batches, exam_batches
from tomobeam_dlsia.scores import Tally
from tomobeam_segmentation.samples import painted_pixels


@pytest.fixture(scope="module")
def lessons():
    image, truth = textured_stack(2, 96)
    return [
        Lesson.of(
            as_input(plane / 2e-3, 8), painted_pixels(strokes(of, 4, seed=z), 1000, 0, 99 * z)
        )
        for z, (plane, of) in enumerate(zip(image, truth, strict=True))
    ]


def batches(lessons, seed=0, *, augment=True):
    return list(epoch_batches(lessons, 32, 8, np.random.default_rng(seed), augment=augment))


def test_every_crop_shows_a_stroke_and_every_stroke_is_shown(lessons):
    shown = batches(lessons)
    assert sum(len(planes) for planes, _ in shown) >= FEWEST
    for planes, target in shown:
        assert planes.shape[1:] == (1, 32, 32)
        assert planes.dtype == np.float32
        assert target.shape == (len(planes), 32, 32)
        assert np.all((target >= 0).any(axis=(1, 2)))
    seen = {value for _, target in shown for value in np.unique(target)}
    assert seen == {-1, 0, 1, 2}


def test_a_large_stroke_gives_more_crops():
    mask = np.full((64, 64), -1)
    mask[:, :20], mask[:2, 62:] = 0, 1
    lesson = Lesson.of(np.zeros((64, 64), np.float32), painted_pixels(mask, 10**6, 0))
    shown = [target for _, target in epoch_batches(
        [lesson], 16, 8, np.random.default_rng(0), augment=False
    )]  # fmt: skip
    of_large = sum(int(np.any(target == 0, axis=(1, 2)).sum()) for target in shown)
    of_small = sum(int(np.any(target == 1, axis=(1, 2)).sum()) for target in shown)
    assert of_large > 10 * of_small > 0


def test_a_seed_gives_the_same_crops_and_another_seed_others(lessons):
    for (a, s), (b, t) in zip(batches(lessons), batches(lessons), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(s, t)
    assert any(
        not np.array_equal(a, b)
        for (a, _), (b, _) in zip(batches(lessons), batches(lessons, 1), strict=True)
    )


@pytest.mark.parametrize("augment", [True, False])
def test_plane_and_target_are_cut_and_turned_together(lessons, augment):
    """Where the image is the target, it stays so."""
    same = [Lesson.of(lesson.target.astype(np.float32), lesson.painted) for lesson in lessons]
    for planes, target in batches(same, augment=augment):
        np.testing.assert_array_equal(planes[:, 0], target)


def test_the_exam_is_the_same_each_time(lessons):
    first, second = (exam_batches(lessons, 32, 8, 3) for _ in range(2))
    assert sum(len(planes) for planes, _ in first) == sum(
        len(np.unique(lesson.painted.strokes)) for lesson in lessons
    )
    for (a, _), (b, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert exam_batches([], 32, 8, 3) == []


@pytest.mark.parametrize(("wanted", "grid", "found"), [(64, 8, 64), (512, 8, 96), (50, 16, 48)])
def test_crops_fit_into_the_slices(lessons, wanted, grid, found):
    assert crop_size(lessons, wanted, grid) == found


def test_the_input_is_padded_to_the_grid_and_cut_off_at_outliers():
    plane = np.array([[0.0, 0.5, 1.0], [-9.0, 9.0, 0.25]], np.float32)
    found = as_input(plane, 4)
    np.testing.assert_array_equal(
        found, [[-1, 0, 1, 1], [-2, 2, -0.5, -0.5], [-2, 2, -0.5, -0.5], [-2, 2, -0.5, -0.5]]
    )
    assert found.dtype == np.float32


def test_bands_begin_on_the_grid_and_leave_nothing_out():
    rows = band_rows((200, 100), 8, 3000)
    assert all(band.start % 8 == 0 for band in rows)
    assert [n for band in rows for n in range(band.start, band.stop)] == list(range(200))
    assert len(rows) > 5
    assert len(band_rows((8, 10**6), 8, 1000)) == 1


def test_scores_are_those_of_the_definition():
    tally = Tally(4)
    tally.add(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    tally.add(np.array([1, 2]), np.array([1, 1]))
    assert tally.accuracy == pytest.approx(4 / 6)
    assert tally.iou == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)
