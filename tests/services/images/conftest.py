"""A podman of the tests' own for all of them, and a small image for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.images.own_podman import PODMAN, own_podman
from tests.services.images.tiny import Tiny
from tests.support.containers import missing
from tests.support.platform import make_site
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.images.base import OWN_BASE
from tomobeam_deploy.images.build import ensure_image
from tomobeam_deploy.images.model import common_image
from tomobeam_deploy.images.runtime import ContainersError, image
from tomobeam_deploy.site import Containers, Site


@pytest.fixture(scope="session")
def podman() -> Iterator[Path]:
    """Where it keeps everything."""
    if why := missing():
        pytest.skip(why)
    try:
        with own_podman() as folder:
            yield folder
    except (ContainersError, NoSourcesError) as error:
        pytest.skip(f"there is no base image, and none can be made: {error}")


@pytest.fixture
def site(podman: Path, tmp_path: Path) -> Site:
    """A site of containers."""
    return make_site(tmp_path, containers=Containers())


@pytest.fixture(scope="session")
def common(podman: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What all images stand on."""
    site = make_site(tmp_path_factory.mktemp("site"), containers=Containers())
    base = image(PODMAN, OWN_BASE)
    assert base is not None
    return ensure_image(PODMAN, common_image(site), base["Id"], {"BASE_IMAGE": OWN_BASE})


@pytest.fixture
def tiny(tmp_path: Path, common: str) -> Tiny:
    return Tiny(tmp_path, common)
