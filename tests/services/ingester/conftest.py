"""One broker and one Tiled for all tests of the ingester; each test has its own file names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ingest import Ingester, tiled_client
from tests.support.platform import Platform, local_platform
from tomobeam_common.tiled import TiledClient

QUICK = {
    "INGESTER_SETTLE_S": "1.5",
    "INGESTER_POLL_S": "0.2",
    "INGESTER_MISSING_LIMIT_S": "2",
    "INGESTER_SCAN_EVERY_S": "0",
    "INGESTER_RETRY_LIMIT_S": "2",
    "LOG_LEVEL": "DEBUG",
}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with local_platform(tmp_path_factory.mktemp("platform"), ["broker", "tiled"]) as running:
        yield running


@pytest.fixture(scope="session")
def store(platform: Platform) -> Path:
    folder = Path(platform.site.data.filestore)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README").write_text("mounted")
    return folder


@pytest.fixture(scope="session")
def ingester(platform: Platform, store: Path) -> Iterator[Ingester]:
    with Ingester(platform, **QUICK) as running:
        yield running


@pytest.fixture(scope="session")
def tiled(platform: Platform) -> Iterator[TiledClient]:
    with tiled_client(platform) as client:
        yield client
