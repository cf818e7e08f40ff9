"""Archives and packages: made where a host lacks them, sent, and never in the way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.hosts.fleet import Fleet, failed
from tests.unit.hosts.program import needs_root
from tomobeam_deploy.hosts import upload
from tomobeam_deploy.hosts.archives import ArchiveError
from tomobeam_deploy.hosts.brought import Bundle, Packages
from tomobeam_deploy.hosts.resources import File
from tomobeam_deploy.packages import Repository

pytestmark = needs_root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's home on every host; there is no OpenSSH in between."""
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.chdir(path)
    monkeypatch.setattr(upload, "ssh_command", lambda _host: ["sh", "-c"])
    return path


def test_archives_are_made_sent_and_unpacked_where_they_are_lacking(
    fleet: Fleet, tmp_path: Path, home: Path
) -> None:
    (home / ".tomobeam").mkdir()
    (home / ".tomobeam/left-by-a-killed-run.tar").touch()
    made: list[str] = []

    def bundle(name: str) -> Bundle:
        def make() -> Path:
            made.append(name)
            archive = tmp_path / f"{name}.tar"
            archive.write_text(name)
            return archive

        marker = tmp_path / f"{name}.there"
        return Bundle(name, str(marker), make, f"cat > {marker}; ls {home}/.tomobeam >> {marker}")

    (tmp_path / "b.there").touch()
    mine = {"web": [[bundle("a"), bundle("b"), bundle("c")]]}
    fleet.deploy(mine, dry=True)
    assert made == []
    fleet.deploy(mine)
    assert made == ["a", "c"]
    # The first was read while the second lay there, and nothing of the killed run did.
    assert (tmp_path / "a.there").read_text() == "ac.tar\n"
    assert (tmp_path / "c.there").read_text() == "c"
    assert list((home / ".tomobeam").iterdir()) == []


def test_packages_bring_their_repository_only_where_one_is_lacking(
    fleet: Fleet, tmp_path: Path, home: Path, said: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def repository() -> Repository:
        asked.append("")
        raise ArchiveError("apt-get: the mirror does not answer")

    fleet.deploy({"web": [[Packages(("dpkg",), repository)]]})
    assert asked == []
    lacking = [[Packages(("no-such-package",), repository)]]
    state = fleet.deploy({"web": lacking, "storage": [[File.text(f"{tmp_path}/s", "s")]]})
    assert failed(state) == ["web"]
    assert asked == [""]
    assert "packages no-such-package: apt-get: the mirror does not answer" in said.text
    assert "Traceback" not in said.text
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("at", ["home/.tomobeam", "opt/releases"])
@pytest.mark.usefixtures("home")
def test_an_archive_that_does_not_fit_is_said_with_the_disk_and_leaves_nothing(
    fleet: Fleet, tmp_path: Path, said: pytest.LogCaptureFixture, small_disk: Path, at: str
) -> None:
    place = tmp_path / at
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(small_disk)
    archive = tmp_path / "big.tar"
    archive.write_bytes(bytes(5 << 20))
    marker = tmp_path / "opt/releases/big"
    script = f"mkdir {marker} && cat > {marker}/big"
    fleet.fail_to_deploy({"web": [[Bundle("big", str(marker), lambda: archive, script)]]})
    sentence = f"big: .*needs 5 MiB, but the disk of {place} has 0 MiB free; make room there"
    assert re.search(sentence, said.text)
    assert list(small_disk.iterdir()) == []
    assert list((tmp_path / "home/.tomobeam").iterdir()) == []


def test_an_archive_that_breaks_off_leaves_nothing(
    fleet: Fleet, tmp_path: Path, said: pytest.LogCaptureFixture, home: Path, small_disk: Path
) -> None:
    """A disk that fills while it is sent."""
    (home / ".tomobeam").symlink_to(small_disk)
    archive = tmp_path / "big.tar"
    archive.write_bytes(bytes(5 << 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upload, "RECEIVE", upload.RECEIVE.replace("-lt", "-eq"))
        fleet.fail_to_deploy({"web": [[Bundle("big", "/nowhere/x", lambda: archive, "cat")]]})
    assert "big: is not sent: cat: write error: No space left on device" in said.text
    assert list(small_disk.iterdir()) == []
