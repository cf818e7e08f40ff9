"""A host without a way out installs Debian's packages from what the controller sends."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator

import pytest

from tests.lab.conftest import UP_LIMIT_S
from tomobeam_deploy import lab, packages

pytestmark = pytest.mark.timeout(UP_LIMIT_S)

WANTED = ["hello", "nftables"]


@pytest.fixture(scope="module")
def repository(hosts, tmp_path_factory) -> Iterator[packages.Repository]:
    yield packages.ensure_repository(WANTED, folder=tmp_path_factory.mktemp("packages"))
    for name in hosts:
        # Later tests compare hosts with others that never had it.
        gone = lab.run(name, "dpkg --purge hello", root=True)
        assert gone.returncode == 0, gone.stderr.decode()


def push(name: str, repository: packages.Repository) -> subprocess.CompletedProcess[str]:
    script = shlex.quote(packages.unpack_script(repository.digest))
    with repository.archive.open("rb") as archive:
        return subprocess.run(
            lab.ssh_command(name, f"sudo sh -c {script}"),
            stdin=archive,
            capture_output=True,
            text=True,
            check=False,
        )


def install(name: str, *wanted: str) -> subprocess.CompletedProcess[bytes]:
    command = f"apt-get install -y --no-install-recommends {' '.join(wanted)}"
    return lab.run(name, f"DEBIAN_FRONTEND=noninteractive {command}", root=True)


def test_a_host_installs_offline_what_was_pushed(repository):
    done = push("control", repository)
    assert done.returncode == 0, done.stderr
    installed = install("control", *WANTED)
    assert installed.returncode == 0, installed.stderr.decode()
    assert lab.run("control", "hello").stdout == b"Hello, world!\n"
    assert lab.run("control", "nft list ruleset", root=True).returncode == 0


def test_pushing_again_changes_nothing(repository):
    push("web", repository)
    before = lab.run("web", "stat -c %Y%n /var/lib/tomobeam-packages/*/*").stdout
    assert push("web", repository).returncode == 0
    assert lab.run("web", "stat -c %Y%n /var/lib/tomobeam-packages/*/*").stdout == before


def test_a_push_cut_off_on_the_way_is_repaired_by_the_next(repository):
    script = shlex.quote(packages.unpack_script(repository.digest))
    half = repository.archive.read_bytes()[: repository.archive.stat().st_size // 2]
    cut = lab.run("storage", f"sudo sh -c {script}", stdin=half)
    assert cut.returncode
    assert lab.run("storage", "test -e /etc/apt/sources.list.d/tomobeam.sources").returncode == 1
    assert push("storage", repository).returncode == 0
    assert install("storage", "hello").returncode == 0


def test_a_new_repository_replaces_the_old_one(repository, tmp_path_factory):
    push("compute1", repository)
    other = packages.ensure_repository(["hello"], folder=repository.archive.parent)
    assert other.digest != repository.digest
    assert push("compute1", other).returncode == 0
    found = lab.run("compute1", "ls /var/lib/tomobeam-packages").stdout.decode().split()
    assert sorted(found) == sorted([other.digest, "current"])
    assert install("compute1", "hello").returncode == 0
    missing = install("compute1", "nftables")
    assert missing.returncode
    assert b"nftables" in missing.stderr


def test_a_package_that_was_tampered_with_is_refused(repository):
    push("recon", repository)
    folder = f"/var/lib/tomobeam-packages/{repository.digest}"
    add = f"for deb in {folder}/hello_*.deb; do printf x >> $deb; done"
    assert lab.run("recon", add, root=True).returncode == 0
    refused = install("recon", "hello")
    assert refused.returncode
    assert b"hello" in refused.stderr
    # What apt has read of it before may not be asked again within the same second.
    spoil = f"sed -i s/hello/hallo/ {folder}/Packages; rm -r /var/lib/apt/lists"
    lab.run("recon", spoil, root=True)
    update = lab.run("recon", f"apt-get {packages.ONLY_OURS} update", root=True)
    assert update.returncode
    lab.run("recon", f"rm -r {folder}", root=True)
    assert push("recon", repository).returncode == 0
    assert install("recon", "hello").returncode == 0


def test_a_repository_of_another_key_is_refused(repository, tmp_path):
    push("compute2", repository)
    key = packages.generate_signing_key()
    other = packages.ensure_repository(WANTED, signing_key=key, folder=repository.archive.parent)
    assert other.digest != repository.digest
    folder = f"/var/lib/tomobeam-packages/{repository.digest}"
    with other.archive.open("rb") as archive:
        subprocess.run(
            lab.ssh_command("compute2", f"sudo tar -x -C {folder} --no-same-owner"),
            stdin=archive,
            check=True,
        )
    update = lab.run("compute2", f"apt-get {packages.ONLY_OURS} update", root=True)
    assert update.returncode
    assert b"NO_PUBKEY" in update.stderr


def test_versions_stay_until_someone_asks(repository):
    folder = repository.archive.parent
    again = packages.ensure_repository(WANTED, folder=folder)
    assert again == packages.Repository(again.digest, again.archive, repository.debs)
    assert again.digest == repository.digest
    refreshed = packages.ensure_repository(WANTED, folder=folder, refresh=True)
    assert refreshed.fetched == 0


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ([], "no packages are named"),
        (["-o=x"], "'-o=x' is no name of a Debian package"),
        (["no-such-thing-at-all"], "Unable to locate package no-such-thing-at-all"),
    ],
)
def test_wrong_names_are_named(hosts, repository, wanted, sentence):
    with pytest.raises(packages.PackagesError, match=sentence):
        packages.ensure_repository(wanted, folder=repository.archive.parent)
