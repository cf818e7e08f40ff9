"""A full disk pauses the ingester, which says so and goes on when there is space again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.ingester.conftest import QUICK
from tests.support.ingest import Ingester, announce, recons, write_savu
from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_pauses_and_says_so(
    small_disk: Path, platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    ingester.stop()
    filler = small_disk / "filler"
    try:
        with Ingester(platform, **QUICK, INGESTER_STATE=str(small_disk)) as cramped:
            _fill(filler)
            wait_for(lambda: (cramped.report() or {}).get("state") == "paused", "the pause")
            report = json.dumps(cramped.report())
            assert f"no space left for our notes in {small_disk}" in report
            processed = write_savu(store, "cramped")
            announce(platform, {"filePath": str(processed)})
            wait_for(lambda: "cramped_processed" in json.dumps(cramped.report()), "it to wait")
            source = str(processed.parent / "TiffSaver_1")
            assert source not in recons(tiled)
            filler.unlink()
            wait_for(lambda: recons(tiled).get(source), "the scan once there is space")
            assert "disk_full" in cramped.log()
    finally:
        ingester.start()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return
