from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tomobeam_segmentation.features import (
    FeatureSettings,
    band_rows,
    bands,
    compute,
    doubling_scales,
)

ALL = FeatureSettings(sigmas=(1.0, 2.0), edges=True, texture=True, shape=True)
SIZE = 64


def named(plane, settings=ALL):
    return dict(zip(settings.names, compute(plane.astype(np.float32), settings), strict=True))


def inside(plane, settings=ALL):
    edge = settings.halo
    return plane[edge:-edge, edge:-edge]


@pytest.fixture
def grid():
    return np.mgrid[-SIZE // 2 : SIZE // 2, -SIZE // 2 : SIZE // 2] / 10.0


@pytest.mark.parametrize("sigma", [1, 2])
def test_derivatives_of_a_quadratic_are_exact(grid, sigma):
    y, x = grid
    found = named(1.5 * y * y - 0.5 * x * x + 0.8 * x * y + 2 * y - x)
    # Per pixel, of which there are ten to a unit.
    hessian = np.array([[3.0, 0.8], [0.8, -1.0]]) / 100
    slope_y, slope_x = (3 * y + 0.8 * x + 2) / 10, (-x + 0.8 * y - 1) / 10
    larger, smaller = sorted(np.linalg.eigvalsh(hessian), reverse=True)
    for name, wanted in {
        "gradient magnitude": np.hypot(slope_y, slope_x),
        "Laplacian": np.full(y.shape, np.trace(hessian)),
        "Hessian 1": np.full(y.shape, larger),
        "Hessian 2": np.full(y.shape, smaller),
    }.items():
        np.testing.assert_allclose(
            inside(found[f"{name} σ={sigma}"]), inside(wanted), atol=2e-5, err_msg=name
        )


@pytest.mark.parametrize("sigma", [1, 2])
def test_a_ramp_has_one_direction(grid, sigma):
    y, x = grid
    found = named(3 * y + 4 * x)
    np.testing.assert_allclose(inside(found[f"structure tensor 1 σ={sigma}"]), 0.25, rtol=1e-4)
    np.testing.assert_allclose(inside(found[f"structure tensor 2 σ={sigma}"]), 0, atol=1e-5)


@pytest.mark.parametrize("sigma", [1, 2])
def test_smoothing_is_a_gaussian_mirrored_at_the_border(sigma):
    plane = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    wanted = ndimage.gaussian_filter(plane, sigma, mode="mirror", truncate=3)
    np.testing.assert_allclose(named(plane)[f"smoothed σ={sigma}"], wanted, atol=1e-6)


def test_a_constant_slice_has_only_its_value():
    found = named(np.full((SIZE, SIZE), 0.3))
    for name, plane in found.items():
        wanted = 0.3 if name.startswith(("intensity", "smoothed")) else 0.0
        np.testing.assert_allclose(plane, wanted, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("rows", [1, 7, 40, 100])
def test_bands_agree_with_the_whole_slice(rows):
    plane = np.random.default_rng(1).random((SIZE, SIZE), np.float32)
    whole = compute(plane, ALL)
    found = np.concatenate([part for _, part in bands(plane, ALL, rows * SIZE)], axis=1)
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_bands_cover_a_slice_once():
    covered = [row for rows in band_rows((103, 50), 1000) for row in range(rows.start, rows.stop)]
    assert covered == list(range(103))


@pytest.mark.parametrize(
    ("smallest", "largest", "wanted"),
    [(1, 8, (1, 2, 4, 8)), (1, 7.9, (1, 2, 4)), (0.5, 0.5, (0.5,)), (1.5, 6, (1.5, 3, 6))],
)
def test_scales_double(smallest, largest, wanted):
    assert doubling_scales(smallest, largest) == wanted


@pytest.mark.parametrize("edges", [True, False])
@pytest.mark.parametrize("texture", [True, False])
@pytest.mark.parametrize("shape", [True, False])
def test_every_choice_of_filters_has_a_name_for_each(edges, texture, shape):
    settings = FeatureSettings(sigmas=(1.0,), edges=edges, texture=texture, shape=shape)
    plane = np.random.default_rng(2).random((20, 20), np.float32)
    found = named(plane, settings)
    everything = named(plane)
    assert len(found) == 2 + 2 * (edges + texture + shape)
    for name, values in found.items():
        # Where its memory lies decides in which order a library adds.
        np.testing.assert_allclose(values, everything[name], rtol=1e-6, atol=1e-7)
