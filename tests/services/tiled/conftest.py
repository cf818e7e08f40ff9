from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.tiled.bench import DATABASES, Bench
from tests.support.platform import Platform, make_site
from tests.support.postgresql import Cluster, cluster
from tomobeam_deploy.local.platform import LocalPlatform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    local = LocalPlatform(make_site(tmp_path_factory.mktemp("site")), only=[])
    local.layout.write(local.layout.processes())
    return Platform(local)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as running_cluster:
        yield running_cluster


@pytest.fixture
def bench(server: Cluster, platform: Platform) -> Iterator[Bench]:
    for name in DATABASES:
        server.create(name)
    yield Bench(server, platform)
    for name in DATABASES:
        server.drop(name)
