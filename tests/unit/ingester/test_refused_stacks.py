"""What is no stack that Tiled can serve, and the sentence that says why."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from tests.unit.ingester.store import VOXELS, images, processed, settle, told
from tomobeam_ingester.complete import Judge, Sightings
from tomobeam_ingester.outcome import NotYet, Reason, Refused


def _refusal(judge: Judge, path: Path) -> Refused:
    settle(path if path.is_dir() else path.parent)
    with pytest.raises((Refused, NotYet)) as caught:
        judge.decide(path, told(path), Sightings())
    return caught.value.fault if isinstance(caught.value, NotYet) else caught.value


def test_gap_in_the_numbers_is_named(root: Path, judge: Judge) -> None:
    stack = images(root / "rec")
    tifffile.imwrite(stack / "img_00004.tiff", VOXELS[0])
    refusal = _refusal(judge, stack)
    assert refusal.reason is Reason.INCOMPLETE
    assert "lacks image number 3" in refusal.sentence


def _two_series(root: Path) -> Path:
    images(root / "rec", "a_%d.tif")
    return images(root / "rec", "b_%d.tif")


def _colour(root: Path) -> Path:
    return images(root / "rec", voxels=np.zeros((2, 4, 5, 3), np.uint8))


def _complex(root: Path) -> Path:
    return images(root / "rec", voxels=np.zeros((2, 4, 5), np.complex64))


def _mixed_types(root: Path) -> Path:
    images(root / "rec")
    tifffile.imwrite(root / "rec/img_00001.tiff", VOXELS[0].astype(np.uint16))
    return root / "rec"


def _not_tiff(root: Path) -> Path:
    images(root / "rec")
    (root / "rec/img_00001.tiff").write_bytes(b"GIF89a" * 20)
    return root / "rec"


def _single_image(root: Path) -> Path:
    (root / "one").mkdir()
    tifffile.imwrite(root / "one/one.tif", VOXELS[0])
    return root / "one/one.tif"


def _truncated_pages(root: Path) -> Path:
    (root / "one").mkdir()
    path = root / "one/one.tif"
    tifffile.imwrite(path, VOXELS, photometric="minisblack")
    path.write_bytes(path.read_bytes()[:-40])
    return path


def _truncated_hdf5(root: Path) -> Path:
    (root / "one").mkdir()
    path = root / "one/one.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros((20, 20, 20))
    path.write_bytes(path.read_bytes()[:-4000])
    return path


def _no_array(root: Path) -> Path:
    return processed(root / "scan")


def _link_outside(root: Path) -> Path:
    path = processed(root / "scan")
    with h5py.File(root.parent / "secret.h5", "w") as file:
        file["data"] = VOXELS
    with h5py.File(path, "w") as file:
        file["entry"] = h5py.ExternalLink(str(root.parent / "secret.h5"), "/data")
    return path


def _text_file(root: Path) -> Path:
    path = root / "notes.txt"
    path.write_text("hello")
    return path


REFUSED = [
    (_two_series, Reason.AMBIGUOUS, "several series of images: 'a_', 'b_'"),
    (_colour, Reason.UNSUPPORTED, "not one grey image"),
    (_complex, Reason.UNSUPPORTED, "complex64, not real numbers"),
    (_mixed_types, Reason.MIXED_SHAPES, "img_00001.tiff is 4 × 5 uint16, but img_00000.tiff"),
    (_not_tiff, Reason.TRUNCATED, "img_00001.tiff is no whole TIFF"),
    (_single_image, Reason.NO_STACK, "is no stack of images: its shape is (4, 5)"),
    (_truncated_pages, Reason.TRUNCATED, "one.tif is no whole TIFF"),
    (_truncated_hdf5, Reason.TRUNCATED, "truncated file"),
    (_no_array, Reason.NO_STACK, "holds no 3-D array"),
    (_link_outside, Reason.OUTSIDE_ROOTS, "lies outside the readable roots"),
    (_text_file, Reason.UNSUPPORTED, "no TIFF, HDF5 or NeXus file"),
]


@pytest.mark.parametrize(("make", "reason", "sentence"), REFUSED)
def test_what_will_not_do_is_refused_by_name(
    make, reason: Reason, sentence: str, root: Path, judge: Judge
) -> None:
    refusal = _refusal(judge, make(root))
    assert (refusal.reason, sentence in refusal.sentence) == (reason, True), refusal.header


def test_names_that_tiled_cannot_read_are_refused(root: Path, judge: Judge) -> None:
    stack = images(root / "rec#1")
    settle(stack)
    found = judge.decide(stack, told(stack), Sightings())[1]
    with pytest.raises(Refused, match="Tiled cannot read a file whose path is"):
        found.data_source()
