from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tomobeam_webapp.viewer.disk import DiskCache
from tomobeam_webapp.viewer.views import level_sizes, make_pyramid, stack_range


@pytest.mark.parametrize("shape", [(2160, 2560), (300, 1000), (257, 257), (64, 80), (1, 5)])
def test_levels_halve_until_the_shorter_edge_is_small(shape: tuple[int, int]) -> None:
    sizes = level_sizes(*shape)
    assert sizes[0] == shape
    assert min(sizes[-1]) <= 256
    assert [level.shape for level in make_pyramid(np.zeros(shape, np.float32), 0, 1)] == sizes


def test_values_are_quantised_over_the_range_and_cut_outside() -> None:
    data = np.array([[-1, 0, 0.5, 1, 7, np.nan, np.inf, -np.inf]], np.float32)
    assert make_pyramid(data, 0.0, 1.0)[0].tolist() == [[0, 0, 32768, 65535, 65535, 0, 65535, 0]]


@pytest.mark.parametrize(("kind", "scale"), [(np.uint8, 257), (np.uint16, 1), (np.int16, 1)])
def test_integers_keep_their_values(kind: type, scale: int) -> None:
    data = np.array([[np.iinfo(kind).min, 1, 2, np.iinfo(kind).max]], kind)
    lo, hi, _, _ = stack_range(data, data.dtype)
    view = make_pyramid(data, lo, hi)[0].astype(float)
    np.testing.assert_array_equal(lo + view / scale, data.astype(float))


def test_the_range_ignores_hot_pixels_and_what_is_not_a_number() -> None:
    data = np.random.default_rng(0).normal(10, 1, (200, 500)).astype(np.float32)
    data[0, 0], data[0, 1] = 1e9, np.nan
    lo, hi, low, high = stack_range(data, data.dtype)
    assert 0 < lo < low < 10 < high < hi < 20


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan])
def test_a_constant_stack_has_a_range_too(value: float) -> None:
    lo, hi, low, high = stack_range(np.full((4, 4), value, np.float32), np.dtype("f4"))
    assert lo < hi
    assert low < high


def test_the_cache_forgets_the_oldest_beyond_its_bound(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000)
    paths = [cache.folder("stack") / f"{z}.u16" for z in range(20)]
    for age, path in enumerate(paths):
        cache.write(path, bytes(1000))
        if path.exists():
            os.utime(path, (age, age))
    left = [path for path in paths if path.exists()]
    assert sum(path.stat().st_size for path in left) <= 10_500
    assert paths[-1] in left
    assert paths[0] not in left


def test_a_disk_that_cannot_be_written_costs_only_the_cache(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    DiskCache(blocked, 1000).write(blocked / "stack" / "0.u16", b"1")
