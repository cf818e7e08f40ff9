"""The whole platform, once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.platform import Platform, local_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Every service, as `make up` starts them."""
    folder = tmp_path_factory.mktemp("platform")
    with local_platform(folder) as running:
        yield running
