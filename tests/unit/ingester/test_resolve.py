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

from tests.unit.ingester.store import VOXELS, Clock, images, processed, settle, told
from tomobeam_ingester import complete as complete_module
from tomobeam_ingester.complete import Judge, Sightings
from tomobeam_ingester.outcome import NotYet
from tomobeam_ingester.stacks.forms import Candidate, Form, Survey


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


def test_truncated_image_is_waited_for_while_it_may_be_written(root: Path, judge: Judge) -> None:
    stack = images(root / "rec")
    path = stack / "img_00002.tiff"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(NotYet, match="is truncated"):
        judge.decide(stack, told(stack, imageCount=3), Sightings())


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
