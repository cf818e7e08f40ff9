from __future__ import annotations

import numpy as np
import pytest

from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.specimens import Kind, make_specimen

KINDS = list(Kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_is_there(kind: Kind) -> None:
    specimen = make_specimen(kind, 128, 24, seed=5)
    share = np.bincount(specimen.labels().ravel(), minlength=3) / (24 * 128**2)
    assert len(specimen.materials) == 3
    assert np.all(share > 0.004), share


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_specimen(kind: Kind) -> None:
    first, again = (make_specimen(kind, 64, 6, seed=2).labels() for _ in range(2))
    other = make_specimen(kind, 64, 6, seed=3).labels()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", KINDS)
def test_slabs_and_the_whole_agree(kind: Kind) -> None:
    specimen = make_specimen(kind, 64, 9, seed=2)
    slabs = [specimen.labels(z, min(z + 4, 9)) for z in range(0, 9, 4)]
    assert np.array_equal(np.concatenate(slabs), specimen.labels())


@pytest.mark.parametrize("kind", KINDS)
def test_a_finer_grid_samples_the_same_specimen(kind: Kind) -> None:
    specimen = make_specimen(kind, 96, 4, seed=2)
    fine, coarse = specimen.labels(oversampling=3), specimen.labels()
    # Every third fine sample, from the second on, lies where a coarse one does.
    agreement = np.mean(fine[:, 1::3, 1::3] == coarse)
    assert agreement > 0.999


@pytest.mark.parametrize(
    ("kind", "size", "height", "sentence"),
    [
        ("cheese", 64, 8, "kind: there is no specimen 'cheese'; there are beads, fibres, rock"),
        ("beads", 8, 8, "size: 8 pixels are too few; at least 32"),
        ("rock", 64, 0, "height: 0 slices; at least 1"),
    ],
)
def test_what_cannot_be_made_is_refused(kind: str, size: int, height: int, sentence: str) -> None:
    with pytest.raises(InputFault) as refusal:
        make_specimen(kind, size, height)
    assert str(refusal.value) == sentence
