"""Which stack a path means, and when it is complete."""

from __future__ import annotations

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from tomobeam_contracts.scan import ScanReady
from tomobeam_ingester import complete as complete_module
from tomobeam_ingester.complete import Judge, Sightings
from tomobeam_ingester.outcome import NotYet, Reason, Refused, StoreAway
from tomobeam_ingester.paths import Roots
from tomobeam_ingester.stacks.forms import Candidate, Form, Survey

VOXELS = np.arange(60, dtype=np.float32).reshape(3, 4, 5)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = time.time() + 1

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "README").touch()
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def judge(root: Path, clock: Clock) -> Judge:
    return Judge(Roots([root], {}), 30.0, clock)


def images(folder: Path, pattern: str = "img_%05d.tiff", voxels: np.ndarray = VOXELS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(voxels):
        tifffile.imwrite(folder / (pattern % number), image)
    return folder


def processed(folder: Path, shape: tuple[int, ...] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "x_processed.nxs"
    with h5py.File(path, "w") as file:
        if shape is not None:
            file["entry/reconstruction/shape"] = shape
    return path


def told(path: Path, **fields: object) -> ScanReady:
    return ScanReady.receive({"filePath": str(path), **fields})


def settle(folder: Path) -> None:
    then = time.time() - 3600
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))


def test_highest_complete_savu_folder_is_taken(root: Path, judge: Judge) -> None:
    scan = root / "20260101_a"
    for number in (2, 10):
        images(scan / f"TiffSaver_{number}")
    nxs = processed(scan)
    settle(scan)
    candidate, stack = judge.decide(nxs, told(nxs), Sightings())
    assert candidate.path.name == "TiffSaver_10"
    assert candidate.scan_folder == "20260101_a"
    assert stack.shape == (3, 4, 5)
    assert stack.dtype == np.float32


def test_settled_incomplete_folder_is_passed_over(root: Path, judge: Judge) -> None:
    scan = root / "a"
    images(scan / "TiffSaver_1")
    images(scan / "TiffSaver_2", voxels=VOXELS[:2])
    nxs = processed(scan)
    settle(scan)
    candidate, _ = judge.decide(nxs, told(nxs, imageCount=3), Sightings())
    assert candidate.path.name == "TiffSaver_1"


def test_folder_that_is_being_written_is_waited_for(root: Path, judge: Judge) -> None:
    scan = root / "a"
    images(scan / "TiffSaver_1")
    nxs = processed(scan)
    settle(scan)
    images(scan / "TiffSaver_2", voxels=VOXELS[:2])
    with pytest.raises(NotYet, match="TiffSaver_2 is still being written"):
        judge.decide(nxs, told(nxs), Sightings())


def test_a_file_that_vanishes_while_it_is_looked_at_is_waited_for(
    root: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the store is unmounted between the listing and the reading."""
    folder = images(root / "scan" / "TiffSaver_1")
    settle(folder)
    see = complete_module.survey

    def see_then_unmount(candidate: Candidate) -> Survey:
        seen = see(candidate)
        if folder.exists():
            folder.rename(root / "aside")
        return seen

    monkeypatch.setattr(complete_module, "survey", see_then_unmount)
    with pytest.raises(NotYet, match=r"vanished while it was looked at|No such file"):
        judge.decide(folder, told(folder), Sightings())
    (root / "aside").rename(folder)
    monkeypatch.undo()
    assert judge.decide(folder, told(folder), Sightings())[0].path == folder


def test_unchanged_for_long_enough_is_complete(root: Path, judge: Judge, clock: Clock) -> None:
    stack = images(root / "rec")
    seen = Sightings()
    with pytest.raises(NotYet, match="still being written"):
        judge.decide(stack, told(stack), seen)
    clock.now += 20
    tifffile.imwrite(stack / "img_00003.tiff", VOXELS[0])
    for path in (stack / "img_00003.tiff", stack):
        os.utime(path, (clock.now, clock.now))
    with pytest.raises(NotYet):
        judge.decide(stack, told(stack), seen)
    clock.now += 29
    with pytest.raises(NotYet):
        judge.decide(stack, told(stack), seen)
    clock.now += 2
    assert judge.decide(stack, told(stack), seen)[1].shape[0] == 4


@pytest.mark.parametrize("fields", [{"imageCount": 3}, {"status": "COMPLETE"}])
def test_what_the_producer_declares_needs_no_wait(
    fields: dict[str, object], root: Path, judge: Judge
) -> None:
    stack = images(root / "rec")
    assert judge.decide(stack, told(stack, **fields), Sightings())[1].shape[0] == 3


def test_process_file_declares_the_count(root: Path, judge: Judge) -> None:
    scan = root / "a"
    images(scan / "TiffSaver_1")
    nxs = processed(scan, (4, 4, 5))
    with pytest.raises(NotYet, match="3 of the 4 images declared"):
        judge.decide(nxs, told(nxs), Sightings())
    processed(scan, (3, 4, 5))
    assert judge.decide(nxs, told(nxs), Sightings())[1].shape == (3, 4, 5)


def test_process_file_beside_httomos_folder(root: Path, judge: Judge) -> None:
    scan = root / "01-02-2026_03_04_05_output"
    stack = images(scan / "images32bit_tif", "%05d.tif")
    nxs = processed(scan, (3, 4, 5))
    for path in (nxs, scan, stack):
        candidate, _ = judge.decide(path, told(path), Sightings())
        assert (candidate.path, candidate.scan_folder) == (stack, scan.name)


def test_processed_file_without_folder_gives_its_own_array(root: Path, judge: Judge) -> None:
    nxs = processed(root / "scan")
    with h5py.File(nxs, "w") as file:
        entry = file.create_group("entry")
        file.attrs["default"], entry.attrs["default"] = "entry", "result"
        entry.create_group("result").attrs["signal"] = "data"
        file["entry/result/data"] = VOXELS
        file["entry/input/projections"] = np.zeros((9, 9, 9))
    settle(root)
    candidate, stack = judge.decide(nxs, told(nxs), Sightings())
    assert (candidate.form, stack.parameters["dataset"]) == (Form.HDF5, "/entry/result/data")


def test_zarr_group_gives_its_full_resolution(root: Path, judge: Judge) -> None:
    group = zarr.open_group(str(root / "rec.zarr"), mode="w")
    group.create_array("0", shape=(4, 4, 4), chunks=(2, 4, 4), dtype="u2")
    group.create_array("1", shape=(2, 2, 2), chunks=(1, 2, 2), dtype="u2")
    settle(root)
    path = root / "rec.zarr"
    candidate, stack = judge.decide(path, told(path), Sightings())
    assert stack.files == [path / "0"]
    assert stack.chunks == ((2, 2), (4,), (4,))
    assert candidate.path == path


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


def test_every_second_number_is_a_series(root: Path, judge: Judge) -> None:
    stack = root / "rec"
    stack.mkdir()
    for number in (0, 2, 4):
        tifffile.imwrite(stack / f"{number}.tif", VOXELS[0])
    settle(stack)
    assert judge.decide(stack, told(stack), Sightings())[1].shape[0] == 3


def test_images_are_in_the_order_of_their_numbers(root: Path, judge: Judge) -> None:
    stack = root / "rec"
    stack.mkdir()
    for number in range(9, 12):
        tifffile.imwrite(stack / f"r_{number}.tif", VOXELS[0])
    settle(stack)
    files = judge.decide(stack, told(stack), Sightings())[1].files
    assert [path.name for path in files] == ["r_9.tif", "r_10.tif", "r_11.tif"]


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


def test_truncated_image_is_waited_for_while_it_may_be_written(root: Path, judge: Judge) -> None:
    stack = images(root / "rec")
    path = stack / "img_00002.tiff"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(NotYet, match="is truncated"):
        judge.decide(stack, told(stack, imageCount=3), Sightings())


def test_names_that_tiled_cannot_read_are_refused(root: Path, judge: Judge) -> None:
    stack = images(root / "rec#1")
    settle(stack)
    found = judge.decide(stack, told(stack), Sightings())[1]
    with pytest.raises(Refused, match="Tiled cannot read a file whose path is"):
        found.data_source()


def test_links_may_not_lead_outside(root: Path, judge: Judge) -> None:
    images(root.parent / "elsewhere")
    (root / "rec").symlink_to(root.parent / "elsewhere")
    with pytest.raises(Refused) as caught:
        judge.decide(root / "rec", told(root / "rec"), Sightings())
    assert caught.value.reason is Reason.OUTSIDE_ROOTS


def test_link_within_the_root_is_the_same_source(root: Path, judge: Judge) -> None:
    stack = images(root / "rec")
    settle(stack)
    (root / "latest").symlink_to(stack)
    path = root / "latest"
    assert judge.decide(path, told(path), Sightings())[0].path == stack


def test_root_that_is_itself_a_link_keeps_its_name(root: Path) -> None:
    alias = root.parent / "alias"
    alias.symlink_to(root)
    stack = images(root / "rec")
    settle(stack)
    judge = Judge(Roots([alias], {}), 30.0)
    path = alias / "rec"
    candidate, found = judge.decide(path, told(path), Sightings())
    assert candidate.path == path
    assert found.files[0].parent == path


@pytest.mark.parametrize("empty", [True, False])
def test_store_that_is_not_mounted_is_away_and_nothing_is_missing(
    empty: bool, root: Path, judge: Judge
) -> None:
    (root / "README").unlink()
    if not empty:
        root.rmdir()
    with pytest.raises(StoreAway, match="the file store is away"):
        judge.decide(root / "x", told(root / "x"), Sightings())


def test_full_look_at_a_large_stack_is_quick(root: Path, judge: Judge) -> None:
    stack = root / "large"
    stack.mkdir()
    tifffile.imwrite(stack / "0.tif", VOXELS[0])
    for number in range(1, 2160):
        os.link(stack / "0.tif", stack / f"{number}.tif")
    settle(stack)
    start = time.process_time()
    assert judge.decide(stack, told(stack), Sightings())[1].shape[0] == 2160
    assert time.process_time() - start < 20
