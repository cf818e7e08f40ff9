from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from roles.file_store import deploy as file_store
from tests.unit.roles.beamline import command, load, member, target
from tomobeam_deploy.hosts.resources import Folder
from tomobeam_deploy.site import FileStore, Group, Site, StoreMode


def store(mode: StoreMode) -> Site:
    return load(store=FileStore(path=load().data.filestore.parent, mode=mode))


def ask(site: Site, host: str, bin_folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the check with what `bin_folder` puts before the system's own programs."""
    check = command(file_store.activate(target(site, host)), "file store").check
    path = f"{bin_folder}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", check], env={"PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A mounted store on which everything is allowed."""
    for name, script in (("mountpoint", "exit 0"), ("runuser", "exit 0"), ("id", "echo 6104")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return tmp_path


def test_only_the_storage_host_of_a_managed_store_makes_folders() -> None:
    site = store(StoreMode.MANAGED)
    makers = [host for host in site.hosts if file_store.configure(target(site, host))]
    assert makers == [member(site, Group.STORAGE)]
    recons, models = file_store.configure(target(site, makers[0]))
    assert recons == Folder(str(site.data.filestore), 0o2750, "tomobeam-reconstruction", "tomobeam")
    assert models == Folder(str(site.data.models), 0o2750, "tomobeam-worker", "tomobeam")


def test_nothing_is_made_or_given_to_anybody_on_a_store_that_exists() -> None:
    site = store(StoreMode.EXISTING)
    for host in site.hosts:
        assert file_store.install(target(site, host)) == []
        assert file_store.configure(target(site, host)) == []


def test_each_account_is_asked_for_the_folder_as_its_host_sees_it() -> None:
    site = load()
    assert [(u.account, u.flag, u.folder) for u in file_store.uses(site, "storage")] == [
        ("tomobeam-tiled", "r", "/srv/filestore/recons"),
        ("tomobeam-ingester", "r", "/srv/filestore/recons"),
    ]
    (writer,) = file_store.uses(site, "recon")
    assert (writer.account, writer.flag, writer.folder) == (
        "tomobeam-reconstruction",
        "w",
        "/mnt/beamline/recons",
    )


def test_a_store_that_is_not_mounted_is_said_with_the_remedy(programs: Path) -> None:
    site = store(StoreMode.MANAGED)
    assert ask(site, "recon", programs).returncode == 0
    (programs / "mountpoint").write_text("#!/bin/sh\nexit 32\n")
    done = ask(site, "recon", programs)
    assert done.returncode == 1
    assert "/mnt/beamline is not mounted" in done.stdout
    assert "correct hosts.recon.file_store of the inventory" in done.stdout
    # Its own disk may hold a managed store.
    assert ask(site, "storage", programs).returncode == 0
    assert ask(store(StoreMode.EXISTING), "storage", programs).returncode == 1


def test_an_account_without_its_right_is_said_with_its_number(programs: Path) -> None:
    (programs / "runuser").write_text("#!/bin/sh\nexit 1\n")
    done = ask(load(), "compute1", programs)
    assert done.returncode == 1
    assert done.stdout == (
        "tomobeam-worker (uid 6104, group tomobeam 6100) may not write to /srv/filestore/models; "
        "give it that right on the store\n"
    )
