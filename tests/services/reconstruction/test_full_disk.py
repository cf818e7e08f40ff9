"""A store that fills up: one sentence, exit code 1, and nothing half made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tomobeam_reconstruction import cli, specimen_cli
from tomobeam_reconstruction.acquire import Acquisition
from tomobeam_reconstruction.scan_file import write_scan
from tomobeam_reconstruction.specimens import make_specimen


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_reconstruction_into_a_full_store(small_disk: Path, tmp_path: Path) -> None:
    projections = tmp_path / "x.nxs"
    write_scan(projections, make_specimen("beads", 96, 6), Acquisition(angles=24))
    result = CliRunner().invoke(cli.app, [str(projections), str(small_disk)])
    assert result.exit_code == 1
    assert result.stderr == f"{small_disk}: No space left on device\n"
    assert not list(small_disk.iterdir())


def test_a_specimen_onto_a_full_disk(small_disk: Path) -> None:
    out = small_disk / "x.nxs"
    result = CliRunner().invoke(specimen_cli.app, ["rock", str(out), "--size", "64"])
    assert result.exit_code == 1
    assert result.stderr == f"{out}: No space left on device\n"
    assert not list(small_disk.iterdir())
