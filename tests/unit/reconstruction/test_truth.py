from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.unit.reconstruction.scans import Scan
from tomobeam_contracts.tree import UNLABELLED
from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.specimens import Kind, make_specimen
from tomobeam_reconstruction.truth import read_truth, scribbles, truth_path, write_truth


def test_truth_survives_the_disk(tmp_path: Path) -> None:
    specimen = make_specimen("fibres", 64, 5)
    path = truth_path(tmp_path / "x.nxs")
    write_truth(path, specimen, 33.25)
    truth = read_truth(path)
    assert path.name == "x_truth.h5"
    assert np.array_equal(truth.labels, specimen.labels())
    assert truth.materials == specimen.materials
    assert (truth.kind, truth.seed, truth.centre) == ("fibres", 1, 33.25)
    assert [c.name for c in truth.classes] == ["air", "epoxy", "glass fibre"]


def test_anything_else_is_refused(tmp_path: Path, scan: Scan) -> None:
    for path in (tmp_path / "none.h5", scan.projections):
        with pytest.raises(InputFault, match="no ground truth of a specimen"):
            read_truth(path)


@pytest.mark.parametrize("kind", list(Kind))
def test_scribbles_stay_inside_their_class(kind: Kind, scan_of: Callable[[str], Scan]) -> None:
    labels = scan_of(kind).truth.labels
    drawn = scribbles(labels)
    assert drawn.mask.dtype == np.int8
    assert drawn.slices == sorted(drawn.slices)
    assert len(drawn.slices) == 3
    painted = drawn.mask != UNLABELLED
    assert np.array_equal(drawn.mask[painted], labels[drawn.slices][painted])
    assert set(np.unique(drawn.mask)) == {UNLABELLED, 0, 1, 2}
    assert 0.005 < painted.mean() < 0.1


def test_the_same_hand_draws_the_same(scan: Scan) -> None:
    first, again = (scribbles(scan.truth.labels, slices=[2, 0], seed=4) for _ in range(2))
    other = scribbles(scan.truth.labels, slices=[0, 2], seed=5)
    assert first.slices == [0, 2]
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.mask, other.mask)


def test_a_slice_that_is_not_there(scan: Scan) -> None:
    with pytest.raises(InputFault, match="slices: 8 is not one of the 8 slices"):
        scribbles(scan.truth.labels, slices=[1, 8])
