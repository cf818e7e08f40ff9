from __future__ import annotations

import numpy as np
import pytest

from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.intensity import IntensityRange, measure_range


def test_the_range_is_that_of_the_stack_not_of_a_slice():
    stack = np.stack([np.linspace(z, z + 1, 10_000).reshape(100, 100) for z in range(5)])
    found = measure_range(lambda z: stack[z], 5)
    assert found.low == pytest.approx(np.percentile(stack, 0.5), abs=0.01)
    assert found.high == pytest.approx(np.percentile(stack, 99.5), abs=0.01)


def test_outliers_and_pixels_without_value_do_not_move_it():
    plane = np.random.default_rng(0).normal(0, 1, (200, 200))
    calm = measure_range(lambda _: plane, 1)
    plane[0, :20] = 1e6
    plane[1, :50] = np.nan
    plane[2, :50] = -np.inf
    found = measure_range(lambda _: plane, 1)
    assert found.low == pytest.approx(calm.low, abs=0.1)
    assert found.high == pytest.approx(calm.high, abs=0.3)


@pytest.mark.parametrize("dtype", [np.uint8, ">u2", np.int16, "<f4", ">f4", np.float64])
def test_normalised_the_same_from_every_number_type(dtype):
    plane = np.array([[10, 20], [30, 40]]).astype(dtype)
    found, finite = IntensityRange(low=10, high=30).normalise(plane)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, 0.5], [1, 1.5]])
    assert finite.all()


def test_pixels_without_value_become_the_middle():
    found, finite = IntensityRange(low=0, high=1).normalise(np.array([[np.nan, np.inf, 0.2]]))
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.2]])
    assert finite.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("value", "sentence"), [(np.nan, "no finite value"), (7.0, "every pixel looked at is 7")]
)
def test_an_image_that_says_nothing_is_refused(value, sentence):
    with pytest.raises(JobError, match=f"data_tiled_uri: .*{sentence}"):
        measure_range(lambda _: np.full((5, 5), value), 3)


def test_a_stack_that_is_mostly_one_value_still_has_a_range():
    plane = np.zeros((100, 100))
    plane[0, 0] = 3
    assert measure_range(lambda _: plane, 1) == IntensityRange(low=0, high=3)
