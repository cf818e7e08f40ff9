"""Every form of a stack comes back from Tiled voxel by voxel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from tests.support.ingest import Ingester, announce, make_old, recons, volume, write_images
from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient

VOXELS = volume((5, 6, 7), seed=9)


def _als(scan: Path) -> Path:
    return write_images(scan, "rec_%05d.tiff", VOXELS)


def _pages(scan: Path) -> Path:
    scan.mkdir()
    tifffile.imwrite(scan / "m.tif", VOXELS, photometric="minisblack")
    return scan / "m.tif"


def _imagej(scan: Path) -> Path:
    scan.mkdir()
    tifffile.imwrite(scan / "m.tif", VOXELS, imagej=True)
    return scan / "m.tif"


def _nexus(scan: Path) -> Path:
    scan.mkdir()
    with h5py.File(scan / "x_processed.nxs", "w") as file:
        file.create_dataset("entry/a result/data", data=VOXELS, chunks=(1, 6, 7))
    return scan / "x_processed.nxs"


def _zarr_array(scan: Path) -> Path:
    array = zarr.create_array(str(scan), shape=VOXELS.shape, chunks=(2, 6, 7), dtype="f4")
    array[:] = VOXELS
    return scan


def _zarr_group(scan: Path) -> Path:
    array = zarr.open_group(str(scan), mode="w").create_array(
        "0", shape=VOXELS.shape, chunks=(1, 6, 7), dtype="f4"
    )
    array[:] = VOXELS
    return scan


FORMS: list[Callable[[Path], Path]] = [_als, _pages, _imagej, _nexus, _zarr_array, _zarr_group]


@pytest.mark.parametrize("form", FORMS)
def test_voxels_come_back(
    form: Callable[[Path], Path],
    platform: Platform,
    ingester: Ingester,
    tiled: TiledClient,
    store: Path,
) -> None:
    path = form(store / f"a form{form.__name__}")
    make_old(path)
    announce(platform, {"filePath": str(path)})
    node = wait_for(lambda: recons(tiled).get(str(path)), "the scan in Tiled")
    assert np.array_equal(tiled.read(node), VOXELS)
    assert np.array_equal(tiled.read(node, (3, slice(1, 4))), VOXELS[3, 1:4])
