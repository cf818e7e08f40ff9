"""A file store that is there, and who judges what lies in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ingester.store import Clock
from tomobeam_ingester.complete import Judge
from tomobeam_ingester.paths import Roots


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
