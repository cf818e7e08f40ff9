"""One podman for all tests here, and another one that is rootless."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.launchers.container.tried import Tried
from tests.support.container_jobs import PROGRAMS
from tests.support.containers import Podman, missing, podman


def _service(rootless: bool) -> Iterator[Podman]:
    if reason := missing(rootless):
        pytest.skip(reason)
    with podman(PROGRAMS, rootless) as service:
        yield service


# The folder's __init__.py makes a service end with these tests, not with the whole session.
@pytest.fixture(scope="package", params=["own user", "rootless"])
def service(request: pytest.FixtureRequest) -> Iterator[Podman]:
    """One podman for all tests of this folder, and another one that is rootless."""
    yield from _service(request.param == "rootless")


@pytest.fixture
def tried(service: Podman, request: pytest.FixtureRequest) -> Iterator[Tried]:
    name = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    folder = service.folder / name
    for each in (folder, folder / "data", folder / "data/scan", folder / "models"):
        each.mkdir()
    (folder / "data/scan/slice").touch()
    service.give(folder)
    yield Tried(service, folder)
    assert service.names() == []
    assert not list(folder.glob("state/podman-jobs/*"))
