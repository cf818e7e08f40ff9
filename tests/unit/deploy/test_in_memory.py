"""Secrets that a program must have as files are in memory, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tomobeam_deploy import in_memory
from tomobeam_deploy.in_memory import NoMemoryError, folder_in_memory
from tomobeam_deploy.packages import signing
from tomobeam_deploy.packages.closure import PackagesError
from tomobeam_deploy.packages.signing import generate_signing_key, sign

DISK = "/dev/sda1 / ext4 rw 0 0\n"
TMPFS = "tmpfs /dev/shm tmpfs rw 0 0\n"


def test_the_folder_is_its_owners_and_is_gone_in_the_end() -> None:
    with folder_in_memory("tomobeam-") as folder:
        assert folder.parent == in_memory.MEMORY
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "secret").write_text("x")
    assert not folder.exists()


@pytest.mark.parametrize(
    "mounts", ["", DISK, f"{TMPFS}/dev/sda2 /dev/shm ext4 rw 0 0\n", "tmpfs /run tmpfs rw 0 0\n"]
)
def test_without_memory_nothing_is_written(
    mounts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(DISK + mounts)
    monkeypatch.setattr(in_memory, "MOUNTS", tmp_path / "mounts")
    with (
        pytest.raises(NoMemoryError, match=r"^/dev/shm is no tmpfs here.* mount -t tmpfs"),
        folder_in_memory("tomobeam-"),
    ):
        pass
    with pytest.raises(PackagesError, match=r"signing key: /dev/shm is no tmpfs here"):
        generate_signing_key()


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_gpg_has_the_signing_key_in_memory_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    homes: list[Path] = []
    run = signing._gpg

    def watched(home: str, *arguments: str, stdin: bytes = b"") -> bytes:
        homes.append(Path(home))
        return run(home, *arguments, stdin=stdin)

    monkeypatch.setattr(signing, "_gpg", watched)
    sign(b"Origin: here\n", generate_signing_key())
    assert {home.parent for home in homes} == {in_memory.MEMORY}
    assert not any(home.exists() for home in homes)
