from __future__ import annotations

from pathlib import Path

import numpy as np

from tomobeam_reconstruction.samples import write_samples
from tomobeam_reconstruction.truth import read_truth


def test_samples_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_samples(tmp_path / name, size=48, height=2, angles=40)
    first = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    again = sorted(p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*.*"))
    assert first == again
    files = [p for p in first if (tmp_path / "a" / p).is_file()]
    assert len([p for p in files if p.suffix == ".tiff"]) == 6
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


def test_the_committed_samples_are_whole() -> None:
    folder = Path(__file__).parents[3] / "data" / "tiled_storage" / "recons"
    scans = [p for p in folder.iterdir() if p.is_dir()]
    assert len(scans) == 3
    for scan in scans:
        name = scan.name.split("_", 1)[1]
        truth = read_truth(scan / f"{name}_truth.h5")
        (stack,) = scan.glob("TiffSaver_*")
        assert len(list(stack.iterdir())) == truth.labels.shape[0]
        assert (scan / f"{name}_processed.nxs").exists()
        assert np.all(np.bincount(truth.labels.ravel()) > 0)
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < 12e6
