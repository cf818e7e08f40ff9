"""A podman of the tests' own, with a base image; nothing of this machine's podman is touched."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.images.calls import PODMAN, run
from tests.services.images.tiny import Tiny
from tests.support.containers import CONFIGURATION, missing
from tests.support.platform import make_site
from tomobeam_deploy.debian import NoSourcesError
from tomobeam_deploy.images.base import OWN_BASE, ensure_base
from tomobeam_deploy.images.build import ensure_image
from tomobeam_deploy.images.model import common_image
from tomobeam_deploy.images.runtime import ContainersError, image
from tomobeam_deploy.site import Containers, Site

STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'


@pytest.fixture(scope="session")
def podman() -> Iterator[Path]:
    """Where it keeps everything."""
    if why := missing():
        pytest.skip(why)
    usual = image(PODMAN, OWN_BASE)
    # Unlike pytest's own folder, this one's name is short, and it can be unmounted.
    folder = Path(tempfile.mkdtemp(prefix="tomobeam-images-", dir="/tmp"))
    archive = folder / "base.tar"
    if usual:
        run("save", "--quiet", f"--output={archive}", OWN_BASE)
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    (folder / "containers.conf").write_text(CONFIGURATION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
        patch.setenv("CONTAINERS_CONF", str(folder / "containers.conf"))
        try:
            if usual:
                run("load", "--quiet", f"--input={archive}")
            else:
                _make_base()
            yield folder
        finally:
            run("rm", "--all", "--force", "--time=0")
            run("rmi", "--all", "--force")
            subprocess.run(["umount", folder / "root/overlay"], check=False, capture_output=True)
            shutil.rmtree(folder, ignore_errors=True)


def _make_base() -> None:
    try:
        ensure_base(PODMAN)
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
