from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from tests.support.hdf5 import opened
from tests.unit.reconstruction.scans import Scan
from tomobeam_reconstruction import reconstruct as module
from tomobeam_reconstruction.acquire import Acquisition
from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.nxtomo import Projections
from tomobeam_reconstruction.options import Layout, Options, Rings, Smoothing
from tomobeam_reconstruction.reconstruct import chunk_rows, reconstruct
from tomobeam_reconstruction.scan_file import write_scan
from tomobeam_reconstruction.specimens import Kind, make_specimen
from tomobeam_reconstruction.truth import read_truth

WHEN = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("kind", list(Kind))
def test_the_stack_is_the_truth(kind: Kind, scan_of: Callable[[str], Scan], tmp_path: Path) -> None:
    scan = scan_of(kind)
    done = reconstruct(scan.projections, tmp_path)
    image, truth = done.read(), scan.truth.attenuation()
    assert image.shape == truth.shape
    assert image.dtype == np.float32
    assert abs(done.centre - scan.truth.centre) <= 1
    right = correlation(image, truth)
    assert right > 0.93
    # Any other orientation is far off, so z, y and x mean the same in both.
    for turned in (truth[::-1], truth[:, ::-1], truth[:, :, ::-1], truth.transpose(0, 2, 1)):
        assert correlation(image, turned) < right - 0.01
    # Where the truth is a class, the mean is that class's attenuation.
    levels = np.array([m.attenuation for m in scan.truth.materials]) / truth.shape[2]
    labels = np.digitize(image, (levels[1:] + levels[:-1]) / 2)
    assert np.mean(labels == scan.truth.labels) > 0.93


def test_ring_removal_lowers_the_rings(tmp_path: Path) -> None:
    """A ring is what stands out of its neighbours in the mean along circles."""
    how = Acquisition(angles=121, bad_columns=8, drift=0, centre_offset=0)
    truth = write_scan(tmp_path / "x.nxs", make_specimen("beads", 96, 4), how)
    attenuation = read_truth(truth).attenuation()
    y, x = np.indices((96, 96)) - 47.5
    radius = np.rint(np.hypot(y, x)).astype(int)

    def amplitude(rings: Rings) -> float:
        options = Options(rings=rings, centre=47.5)
        error = reconstruct(tmp_path / "x.nxs", tmp_path / rings, options).read() - attenuation
        profiles = [ndimage.mean(e, radius, np.arange(4, 46)) for e in error]
        return float(np.mean([np.abs(p - ndimage.median_filter(p, 7)).max() for p in profiles]))

    bare = amplitude(Rings.NONE)
    for rings in (Rings.SORTING, Rings.FILTERING, Rings.ALL):
        assert amplitude(rings) < 0.6 * bare


def test_small_chunks_give_the_same_slices(scan: Scan, tmp_path: Path) -> None:
    with Projections(scan.projections) as opened:
        tight = next(m for m in range(1, 99) if 0 < _rows(opened, m) < opened.height)
        assert chunk_rows(opened, 4096, 1) == opened.height
    whole = reconstruct(scan.projections, tmp_path / "a", Options(workers=2))
    parts = reconstruct(scan.projections, tmp_path / "b", Options(memory_mib=tight, workers=1))
    assert np.array_equal(whole.read(), parts.read())


def test_the_memory_stays_below_its_bound(scan: Scan, tmp_path: Path) -> None:
    with Projections(scan.projections) as opened:
        tight = next(m for m in range(1, 99) if _rows(opened, m))
    tracemalloc.start()
    try:
        reconstruct(scan.projections, tmp_path, Options(memory_mib=tight, workers=1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < tight * 2**20


def _rows(opened: Projections, memory_mib: int) -> int:
    try:
        return chunk_rows(opened, memory_mib, 1)
    except InputFault:
        return 0


def test_too_little_memory_says_how_much_it_takes(scan: Scan, tmp_path: Path) -> None:
    with pytest.raises(InputFault, match=r"memory: 1 MiB are too few .* it takes at least \d+"):
        reconstruct(scan.projections, tmp_path, Options(memory_mib=1, workers=64))
    assert not list(tmp_path.iterdir())


def test_savu_layout(scan: Scan, tmp_path: Path) -> None:
    done = reconstruct(scan.projections, tmp_path, Options(name="i13-1234"), when=WHEN)
    assert done.scan_folder == tmp_path / "20260314150926_i13-1234"
    assert done.process_file == done.scan_folder / "i13-1234_processed.nxs"
    assert done.announced == done.process_file
    names = sorted(p.name for p in done.stack_folder.iterdir())
    assert names == [f"img_i13-1234_{z:05d}.tiff" for z in range(done.count)]
    assert re.fullmatch(r"TiffSaver_\d+", done.stack_folder.name)
    with tifffile.TiffFile(done.stack_folder / names[0]) as tiff:
        (page,) = tiff.pages
        assert page.dtype == np.float32
        assert page.compression == tifffile.COMPRESSION.NONE


def test_httomo_layout(scan: Scan, tmp_path: Path) -> None:
    done = reconstruct(scan.projections, tmp_path, Options(layout=Layout.HTTOMO), when=WHEN)
    assert done.scan_folder == tmp_path / "14-03-2026_15_09_26_output"
    assert done.announced == done.scan_folder / "images32bit_tif"
    names = sorted(p.name for p in done.stack_folder.iterdir())
    assert names == [f"{z:05d}.tif" for z in range(done.count)]


def test_the_process_file_records_the_process(scan: Scan, tmp_path: Path) -> None:
    done = reconstruct(scan.projections, tmp_path, Options(smoothing=Smoothing.HANN))
    with opened(done.process_file) as file:
        steps = file["entry/process"]
        assert [s.split("_", 1)[1] for s in steps] == [
            "nxtomo_loader",
            "dark_flat_correction",
            "ring_removal",
            "minus_log",
            "centre_of_rotation",
            "filtered_back_projection",
            "tiff_saver",
        ]
        assert all(step.attrs["NX_class"] == "NXprocess" for step in steps.values())
        first = steps["01_nxtomo_loader"]
        assert first["parameters/file"][()].decode() == str(scan.projections)
        assert steps["05_centre_of_rotation/parameters/centre"][()] == done.centre
        assert steps["06_filtered_back_projection/version"][()]
        result = file["entry/reconstruction"]
        assert tuple(result["shape"][()]) == (done.count, *done.shape)
        assert result["pixel_size"][()] == done.pixel_size == 3.25
        pattern = result["files"][()].decode()
    assert (done.scan_folder / (pattern % 0)).exists()


def test_the_order_of_the_projections_does_not_matter(scan: Scan, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.nxs"
    mixed.write_bytes(scan.projections.read_bytes())
    with opened(mixed, "r+") as file:
        entry = file["entry1/tomo_entry"]
        for name in ("data", "rotation_angle"):
            values = entry["data"][name][()]
            values[10:-10] = values[10:-10][::-1]
            entry["data"][name][()] = values
    options = Options(rings=Rings.NONE)
    there = reconstruct(scan.projections, tmp_path / "a", options)
    back = reconstruct(mixed, tmp_path / "b", options)
    assert back.centre == there.centre
    assert np.allclose(back.read(), there.read(), atol=1e-6)


def test_nothing_is_left_of_a_reconstruction_that_fails(
    scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, image: np.ndarray) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(module, "write_slice", full)
    with pytest.raises(OSError, match="No space left"):
        reconstruct(scan.projections, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(scan: Scan, tmp_path: Path) -> None:
    done = reconstruct(scan.projections, tmp_path, when=WHEN)
    with pytest.raises(InputFault, match="is there already"):
        reconstruct(scan.projections, tmp_path, when=WHEN)
    assert done.process_file.exists()


def test_the_folder_appears_only_when_it_is_complete(scan: Scan, tmp_path: Path) -> None:
    seen = []

    def look(done: int, total: int) -> None:
        seen.append([p.name for p in tmp_path.iterdir() if not p.name.startswith(".")])

    reconstruct(scan.projections, tmp_path, progress=look)
    assert seen == [[]] * scan.truth.labels.shape[0]
    (folder,) = tmp_path.iterdir()
    assert folder.name.endswith("_beads")
