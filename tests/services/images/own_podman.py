"""A podman with storage of its own, and a base image in it; this machine's own is not touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tests.support.containers import CONFIGURATION
from tomobeam_deploy.images.base import OWN_BASE, ensure_base
from tomobeam_deploy.images.runtime import image
from tomobeam_deploy.site import Runtime

PODMAN = Runtime.PODMAN
STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'


@contextmanager
def own_podman() -> Iterator[Path]:
    """The folder where all of it is; every call of podman means it as long as it is there.

    Raises:
        ContainersError: there is no base image, and none can be made.
        NoSourcesError: the same.
    """
    usual = image(PODMAN, OWN_BASE)
    # Unlike pytest's own folder, this one's name is short, and it can be unmounted.
    folder = Path(tempfile.mkdtemp(prefix="tomobeam-images-", dir="/tmp"))
    archive = folder / "base.tar"
    if usual:
        run("save", "--quiet", f"--output={archive}", OWN_BASE)
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    (folder / "containers.conf").write_text(CONFIGURATION)
    told = {
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
    }
    with mock.patch.dict(os.environ, told):
        assert run("info", "--format={{.Store.GraphRoot}}").strip() == str(folder / "root")
        try:
            if usual:
                run("load", "--quiet", f"--input={archive}")
            else:
                ensure_base(PODMAN)
            yield folder
        finally:
            run("rm", "--all", "--force", "--time=0")
            run("rmi", "--all", "--force")
            subprocess.run(["umount", folder / "root/overlay"], check=False, capture_output=True)
            shutil.rmtree(folder, ignore_errors=True)


def run(*arguments: str) -> str:
    """Run podman; what it printed."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"podman {arguments[0]}: {done.stderr}"
    return done.stdout
