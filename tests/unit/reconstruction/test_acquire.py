from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.transform import radon

from tomobeam_reconstruction.acquire import Acquisition, Detector, acquire, forward_project
from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.scan_file import write_scan
from tomobeam_reconstruction.specimens import make_specimen


def test_projections_agree_with_another_radon_transform() -> None:
    specimen = make_specimen("beads", 97, 1)
    attenuation = specimen.attenuation(specimen.labels())
    angles = np.linspace(0, 180, 31)
    ours = forward_project(attenuation, np.deg2rad(angles), centre=48)[:, 0]
    theirs = radon(attenuation[0], theta=angles, circle=True).T
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999
    assert np.abs(ours - theirs).max() < 0.05 * theirs.max()


def test_the_centre_moves_the_projections() -> None:
    specimen = make_specimen("rock", 64, 1)
    attenuation = specimen.attenuation(specimen.labels())
    angles = np.deg2rad(np.linspace(0, 180, 7))
    middle = forward_project(attenuation, angles, centre=31.5)
    moved = forward_project(attenuation, angles, centre=34.5)
    assert np.allclose(moved[..., 3:], middle[..., :-3], atol=1e-4)


def test_oversampling_keeps_the_line_integrals() -> None:
    specimen = make_specimen("fibres", 64, 2)
    angles = np.deg2rad(np.linspace(0, 180, 7))
    sums = [
        forward_project(specimen.attenuation(specimen.labels(0, 2, o)), angles, 31.5, o).sum()
        for o in (1, 2)
    ]
    assert sums[1] == pytest.approx(sums[0], rel=0.01)


def test_counts_look_like_a_detector() -> None:
    specimen, how = make_specimen("beads", 64, 4), Acquisition(angles=16, photons=5000)
    (slab,) = acquire(specimen, how)
    assert slab.projections.shape == (16, 4, 64)
    assert slab.projections.dtype == np.uint16
    assert abs(slab.darks.mean() - how.dark_level) < 2
    # The variance of a Poisson count is its mean; dark and read noise add little.
    flats = slab.flats.astype(float)
    assert np.mean(flats.var(axis=0, ddof=1) / flats.mean(axis=0)) == pytest.approx(1, rel=0.15)


def test_bad_columns_drift_after_the_flat_field() -> None:
    clean = Detector(32, 64, Acquisition(bad_columns=0, drift=0))
    drifting = Detector(32, 64, Acquisition(bad_columns=4, drift=0))
    assert np.array_equal(clean.open_beam, clean.drifted)
    changed = np.abs(drifting.drifted / drifting.open_beam - 1)
    assert 0 < np.count_nonzero(changed > 0.02) < 0.3 * changed.size


def test_the_same_scan_is_the_same_file(tmp_path: Path) -> None:
    specimen, how = make_specimen("rock", 48, 5), Acquisition(angles=12)
    for name in ("a.nxs", "b.nxs"):
        write_scan(tmp_path / name, specimen, how)
    assert (tmp_path / "a.nxs").read_bytes() == (tmp_path / "b.nxs").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a.nxs",
        "a_truth.h5",
        "b.nxs",
        "b_truth.h5",
    ]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (Acquisition(angles=2), "angles: 2 is less than 8"),
        (Acquisition(photons=60000), "photons: 60000 would saturate a 16-bit detector"),
        (
            Acquisition(centre_offset=9),
            "centre_offset: 9 pixels move the specimen out of a field of view of 64",
        ),
    ],
)
def test_impossible_scans_are_refused(how: Acquisition, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputFault) as refusal:
        write_scan(tmp_path / "x.nxs", make_specimen("beads", 64, 2), how)
    assert str(refusal.value) == sentence
    assert not list(tmp_path.iterdir())
