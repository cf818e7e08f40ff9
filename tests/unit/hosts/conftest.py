from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.hosts.fleet import Fleet, fleet_of_this_machine
from tests.unit.hosts.installation import Installation, make_installation
from tests.unit.hosts.systemd import Systemd


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An installation with nothing wrong, which a test may spoil."""
    folder = tmp_path / "inventories"
    folder.mkdir()
    return make_installation(folder, monkeypatch)


@pytest.fixture(autouse=True, scope="session")
def _python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The `python3` of a host is the one of these tests, and no wrapper of a version manager."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "python3").symlink_to(sys.executable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("PYINFRA_PROGRESS", "off")
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that 64 kB fill."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Systemd:
    return Systemd(monkeypatch, tmp_path)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with fleet_of_this_machine() as made:
        yield made


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "pyinfra")
    return caplog
