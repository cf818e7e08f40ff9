"""How hosts unpack a release: whole or not at all, one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.waiting import wait_for
from tests.unit.deploy.release_scripts import (
    CONTENTS,
    SERVICE,
    a_release,
    content,
    killed_everywhere,
    names,
    run,
    start,
    unpacked,
)
from tomobeam_deploy.releases import unpack_script


def test_a_release_is_unpacked_and_not_yet_current(tmp_path: Path) -> None:
    release = a_release(tmp_path)
    root = tmp_path / "opt"
    unpacked(root, release)
    assert content(root) == {
        f"{SERVICE}/releases/{release.name}/{name}": data for name, data in CONTENTS.items()
    }
    folder = root / SERVICE / "releases" / release.name
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "bin/tiled").stat().st_mode & 0o777 == 0o755


def test_an_unpacked_release_is_not_read_again(tmp_path: Path) -> None:
    release = a_release(tmp_path)
    unpacked(tmp_path, release)
    assert run(unpack_script(release, root=tmp_path)) == (0, "")


def test_unpacking_may_be_killed_anywhere(tmp_path: Path) -> None:
    older, release = a_release(tmp_path, 1), a_release(tmp_path, 2)
    before = tmp_path / "before"
    unpacked(before, older)
    kills = killed_everywhere(
        before, lambda root: unpack_script(release, root=root), release.archive
    )
    # mkdir, flock, rm, mkdir, tar, sync, mv and the trap's rm
    assert kills == 8


def test_unpacking_may_be_killed_in_the_middle_of_the_archive(tmp_path: Path) -> None:
    release = a_release(tmp_path)
    data = release.archive.read_bytes()
    process = start(unpack_script(release, root=tmp_path), stdin=subprocess.PIPE)
    assert process.stdin
    assert process.stderr
    process.stdin.write(data[: len(data) // 2])
    process.stdin.flush()
    half = tmp_path / SERVICE / "releases" / f"{release.name}.part" / "lib" / "large"
    wait_for(half.exists, "the first half of the archive")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stderr.close()
    assert names(tmp_path) == {f"{release.name}.part"}
    unpacked(tmp_path, release)
    assert names(tmp_path) == {release.name}


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        ("nothing", "does not look like a tar archive"),
        ("half of one", "Unexpected EOF in archive"),
        # What tar takes for a whole archive.
        ("all but the last", "the archive ended early; send it again"),
    ],
)
def test_an_archive_that_ends_early_is_refused(tmp_path: Path, member: str, complaint: str) -> None:
    release = a_release(tmp_path)
    with tarfile.open(release.archive) as tar:
        last = tar.getmember("release.json").offset
        half = tar.getmember("lib/large").offset + 1000
    cut = {"nothing": 0, "half of one": half, "all but the last": last}[member]
    early = tmp_path / "early.tar"
    early.write_bytes(release.archive.read_bytes()[:cut])
    status, said = run(unpack_script(release, root=tmp_path), early)
    assert status > 0
    assert complaint in said
    assert names(tmp_path) == set()


def test_what_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path) -> None:
    release = a_release(tmp_path)
    # A limit on a file's size ends tar as a full disk does.
    status, _ = run(f"ulimit -f 8\n{unpack_script(release, root=tmp_path)}", release.archive)
    assert status > 0
    assert names(tmp_path) == set()


def test_two_that_unpack_at_once_wait_for_each_other(tmp_path: Path) -> None:
    release = a_release(tmp_path)
    script = unpack_script(release, root=tmp_path)
    data = release.archive.read_bytes()
    first = start(script, stdin=subprocess.PIPE)
    assert first.stdin
    first.stdin.write(data[:10_000])
    first.stdin.flush()
    part = tmp_path / SERVICE / "releases" / f"{release.name}.part"
    wait_for(part.exists, "the first to begin")
    with release.archive.open("rb") as file:
        second = start(script, stdin=file)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(0.3)
        assert first.communicate(data[10_000:], timeout=60)[1] == b""
        assert second.communicate(timeout=60)[1] == b""
    assert (first.returncode, second.returncode) == (0, 0)
    assert names(tmp_path) == {release.name}
