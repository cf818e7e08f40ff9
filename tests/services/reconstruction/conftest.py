"""The platform's broker, and a producer's host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.reconstruction.producers import Producer
from tests.support.platform import Platform, local_platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with local_platform(tmp_path_factory.mktemp("platform"), ["broker"]) as platform:
        yield platform


@pytest.fixture
def producer(platform: Platform, tmp_path: Path) -> Producer:
    return Producer(platform, tmp_path)
