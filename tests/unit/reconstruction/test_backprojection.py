from __future__ import annotations

import numpy as np
import pytest
from skimage.transform import iradon

from tomobeam_reconstruction.acquire import forward_project
from tomobeam_reconstruction.backprojection import BackProjector, angular_weights
from tomobeam_reconstruction.specimens import make_specimen


@pytest.mark.parametrize(
    "angles",
    [
        np.linspace(0, 180, 37),
        np.linspace(0, 180, 36, endpoint=False),
        np.linspace(0, 360, 73),
        np.linspace(-88.2, 91.8, 91),
        np.linspace(180, 0, 19),
    ],
)
def test_even_angles_share_half_a_turn(angles: np.ndarray) -> None:
    weights = angular_weights(np.deg2rad(angles))
    assert weights.sum() == pytest.approx(np.pi)
    # Angles that are the same modulo half a turn share one part.
    places, which = np.unique((angles % 180).round(6), return_inverse=True)
    shares = np.bincount(which, weights)
    assert shares == pytest.approx(np.full(len(places), np.pi / len(places)))


def test_a_repeated_angle_counts_once() -> None:
    once = angular_weights(np.deg2rad([0.0, 45, 90, 135]))
    twice = angular_weights(np.deg2rad([0.0, 45, 90, 135, 180]))
    assert twice[0] + twice[-1] == pytest.approx(once[0])


@pytest.mark.parametrize("centre", [48.0, 50.5, 45.25])
def test_a_slice_comes_back(centre: float) -> None:
    specimen = make_specimen("beads", 97, 1)
    attenuation = specimen.attenuation(specimen.labels())
    angles = np.deg2rad(np.linspace(0, 180, 151))
    sinogram = forward_project(attenuation, angles, centre)[:, 0]
    image = BackProjector(angles, centre, 97)(sinogram)
    assert image.dtype == np.float32
    assert np.corrcoef(image.ravel(), attenuation[0].ravel())[0, 1] > 0.97
    resin = specimen.labels()[0] == 1
    assert image[resin].mean() == pytest.approx(0.9 / 97, rel=0.05)


def test_it_agrees_with_scikit_image_and_with_itself() -> None:
    specimen = make_specimen("rock", 97, 1)
    attenuation = specimen.attenuation(specimen.labels())
    degrees = np.linspace(0, 180, 120, endpoint=False)
    sinogram = forward_project(attenuation, np.deg2rad(degrees), 48)[:, 0]
    project = BackProjector(np.deg2rad(degrees), 48, 97)
    ours = project(sinogram)
    theirs = iradon(sinogram.T, degrees, filter_name="ramp", circle=True)
    y, x = np.mgrid[-48:49, -48:49]
    inside = np.hypot(y, x) < 45
    assert np.corrcoef(ours[inside], theirs[inside])[0, 1] > 0.99
    for _ in range(3):
        assert np.array_equal(project(sinogram), ours)
