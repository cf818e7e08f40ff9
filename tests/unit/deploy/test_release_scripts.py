"""What hosts do with releases: the scripts run for real by /bin/sh, in a folder of their own."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import IO

import pytest

from tests.support.waiting import wait_for
from tomobeam_deploy.releases import (
    Release,
    back_script,
    prune_script,
    pruned_script,
    switch_script,
    unpack_script,
)

SERVICE = "tiled"
COMMANDS = ("mkdir", "flock", "rm", "tar", "sync", "mv", "ln", "readlink", "ls", "tail")
# Kills the whole script instead of its command number KILL_AT.
SHIM = """#!/bin/sh
exec 8> "$COUNTER.lock"
/usr/bin/flock 8
number=$(($(cat "$COUNTER") + 1))
echo $number > "$COUNTER"
[ $number != "$KILL_AT" ] || kill -9 0
exec 8>&-
exec /usr/bin/{command} "$@"
"""
CONTENTS = {
    "bin/tiled": b"#!/bin/sh\n",
    "lib/large": bytes(range(256)) * 1024,
    "lib/small": b"",
    "release.json": b"{}",
}
KILLED = -signal.SIGKILL


def a_release(folder: Path, number: int = 1) -> Release:
    release = Release(SERVICE, "1.0", f"{number:012x}", folder / f"{number}.tar")
    with tarfile.open(release.archive, "w") as tar:
        for name, content in CONTENTS.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return release


def start(script: str, *, stdin: int | IO[bytes], **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", script],
        stdin=stdin,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin"} | environment,
        start_new_session=True,
    )


def run(script: str, archive: Path | None = None, **environment: str) -> tuple[int, str]:
    """Run to the end; returns the exit status and what was said."""
    with (archive or Path(os.devnull)).open("rb") as file:
        process = start(script, stdin=file, **environment)
        said = process.communicate(timeout=60)[1]
    return process.returncode, said.decode()


def content(folder: Path) -> dict[str, bytes | str]:
    """Every file's bytes and every link's target below a folder."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def unpacked(root: Path, *releases: Release) -> None:
    for release in releases:
        assert run(unpack_script(release, root=root), release.archive) == (0, "")


def switched(root: Path, *releases: Release) -> None:
    for release in releases:
        assert run(switch_script(release, root=root)) == (0, "")


def names(root: Path) -> set[str]:
    return {path.name for path in (root / SERVICE / "releases").iterdir()}


def link(root: Path, name: str) -> str:
    return str((root / SERVICE / name).readlink())


def killed_everywhere(
    before: Path,
    script: Callable[[Path], str],
    archive: Path | None = None,
    look: Callable[[Path], None] = lambda root: None,
) -> int:
    """Kill a script before each of its commands, and run it again; it must end the same.

    Args:
        before: the root that it begins with.
        script: the script for a root.
        archive: its standard input.
        look: called with the root after each kill.

    Returns:
        Before how many commands it was killed.
    """
    shims, counter = before.parent / "shims", before.parent / "counter"
    shims.mkdir()
    for command in COMMANDS:
        (shims / command).write_text(SHIM.format(command=command))
        (shims / command).chmod(0o755)

    def root_for(attempt: str) -> Path:
        return shutil.copytree(before, before.parent / attempt, symlinks=True)

    whole = root_for("whole")
    assert run(script(whole), archive) == (0, "")
    for number in count(1):
        root = root_for(f"killed-{number}")
        counter.write_text("0")
        environment = {"COUNTER": str(counter), "KILL_AT": str(number)}
        status, said = run(script(root), archive, PATH=f"{shims}:/usr/bin:/bin", **environment)
        look(root)
        if status != KILLED:
            assert (status, said) == (0, "")
            assert content(root) == content(whole)
            return number - 1
        assert run(script(root), archive) == (0, "")
        assert content(root) == content(whole)
    raise AssertionError


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


def test_a_switch_remembers_what_was_current(tmp_path: Path) -> None:
    first, second = a_release(tmp_path, 1), a_release(tmp_path, 2)
    unpacked(tmp_path, first, second)
    switched(tmp_path, first)
    assert link(tmp_path, "current") == f"releases/{first.name}"
    assert not (tmp_path / SERVICE / "previous").is_symlink()
    for _ in range(2):  # the second time nothing happens
        switched(tmp_path, second)
        assert link(tmp_path, "current") == f"releases/{second.name}"
        assert link(tmp_path, "previous") == f"releases/{first.name}"
    switched(tmp_path, first)  # back
    assert link(tmp_path, "current") == f"releases/{first.name}"
    assert link(tmp_path, "previous") == f"releases/{second.name}"


def test_a_switch_may_be_killed_anywhere_and_current_always_is_a_release(tmp_path: Path) -> None:
    first, second, third = (a_release(tmp_path, number) for number in (1, 2, 3))

    before = tmp_path / "before"
    unpacked(before, first, second, third)
    switched(before, first, second)

    def look(root: Path) -> None:
        assert (root / SERVICE / "current" / "release.json").is_file()
        assert (root / SERVICE / "previous" / "release.json").is_file()

    kills = killed_everywhere(before, lambda root: switch_script(third, root=root), look=look)
    # mkdir, flock, readlink, ln, mv, rm and ln, mv
    assert kills == 8


def backwards(root: Path, release: Release, earlier: Release | None) -> None:
    script = back_script(SERVICE, release.name, earlier.name if earlier else None, root=root)
    assert run(script) == (0, "")


def links(root: Path) -> dict[str, str]:
    names = ("current", "previous", "undone")
    return {name: link(root, name) for name in names if (root / SERVICE / name).is_symlink()}


def test_going_back_leads_no_way_forward_again(tmp_path: Path) -> None:
    first, second, third = (a_release(tmp_path, number) for number in (1, 2, 3))
    unpacked(tmp_path, first, second, third)
    switched(tmp_path, second, third)
    for _ in range(2):  # the second time nothing happens
        backwards(tmp_path, second, first)
        assert links(tmp_path) == {
            "current": f"releases/{second.name}",
            "previous": f"releases/{first.name}",
            "undone": f"releases/{third.name}",
        }
    backwards(tmp_path, first, None)
    assert links(tmp_path) == {
        "current": f"releases/{first.name}",
        "undone": f"releases/{second.name}",
    }
    switched(tmp_path, third)
    assert links(tmp_path) == {
        "current": f"releases/{third.name}",
        "previous": f"releases/{first.name}",
    }


@pytest.mark.parametrize(("earlier", "steps"), [(1, 9), (None, 8)])
def test_going_back_may_be_killed_anywhere(tmp_path: Path, earlier: int | None, steps: int) -> None:
    releases = {number: a_release(tmp_path, number) for number in (1, 2, 3)}
    before = tmp_path / "before"
    unpacked(before, *releases.values())
    switched(before, releases[2], releases[3])
    previous = releases[earlier].name if earlier else None

    def look(root: Path) -> None:
        assert (root / SERVICE / "current" / "release.json").is_file()

    # mkdir, flock, readlink, twice ln, mv, and ln, mv or rm
    assert steps == killed_everywhere(
        before, lambda root: back_script(SERVICE, releases[2].name, previous, root=root), look=look
    )


def test_nothing_goes_back_to_what_is_not_there(tmp_path: Path) -> None:
    first, second = a_release(tmp_path, 1), a_release(tmp_path, 2)
    unpacked(tmp_path, second)
    switched(tmp_path, second)
    status, said = run(back_script(SERVICE, first.name, None, root=tmp_path))
    assert (status, said) == (1, f"{SERVICE} {first.name}: this release is not on this host\n")
    assert links(tmp_path) == {"current": f"releases/{second.name}"}


def test_a_release_that_is_not_there_is_not_switched_to(tmp_path: Path) -> None:
    first, second = a_release(tmp_path, 1), a_release(tmp_path, 2)
    unpacked(tmp_path, first)
    switched(tmp_path, first)
    status, said = run(switch_script(second, root=tmp_path))
    assert status == 1
    assert said == f"{SERVICE} {second.name}: this release is not on this host; unpack it first\n"
    assert link(tmp_path, "current") == f"releases/{first.name}"


def seven_releases(root: Path, archives: Path) -> list[Release]:
    """Seven, unpacked a minute apart; the second is current and the first previous."""
    releases = [a_release(archives, number) for number in range(1, 8)]
    unpacked(root, *releases)
    for minute, release in enumerate(releases):
        os.utime(root / SERVICE / "releases" / release.name, (minute * 60, minute * 60))
    switched(root, *releases[:2])
    return releases


def checked(root: Path) -> tuple[int, str]:
    """How the check ends, and what it prints."""
    done = subprocess.run(
        ["/bin/sh", "-c", pruned_script(SERVICE, root=root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_pruning_keeps_the_newest_and_what_is_in_use(tmp_path: Path) -> None:
    releases = seven_releases(tmp_path, tmp_path)
    too_many = f"there are more: {releases[3].name} {releases[2].name}\n"
    assert checked(tmp_path) == (1, too_many)
    assert run(prune_script(SERVICE, root=tmp_path)) == (0, "")
    assert checked(tmp_path) == (0, "")
    kept = [releases[number].name for number in (0, 1, 4, 5, 6)]
    assert names(tmp_path) == set(kept)
    assert run(prune_script(SERVICE, keep=0, root=tmp_path)) == (0, "")
    assert names(tmp_path) == set(kept[:2])


def test_the_age_of_a_release_is_since_it_was_unpacked(tmp_path: Path) -> None:
    releases = [a_release(tmp_path, number) for number in (3, 1, 2)]
    unpacked(tmp_path, *releases)
    assert run(prune_script(SERVICE, keep=2, root=tmp_path)) == (0, "")
    assert names(tmp_path) == {release.name for release in releases[1:]}


def test_pruning_may_be_killed_anywhere_and_leaves_only_whole_releases(tmp_path: Path) -> None:
    before = tmp_path / "before"
    seven_releases(before, tmp_path)

    def look(root: Path) -> None:
        whole = [path for path in (root / SERVICE / "releases").iterdir() if path.suffix != ".part"]
        assert all(set(CONTENTS) == set(content(path)) for path in whole)

    kills = killed_everywhere(before, lambda root: prune_script(SERVICE, root=root), look=look)
    # mkdir, flock, rm, twice readlink, ls, tail and for two releases mv, rm
    assert kills == 11


def test_a_host_without_releases_is_pruned_to_nothing(tmp_path: Path) -> None:
    assert run(prune_script(SERVICE, root=tmp_path)) == (0, "")
    with pytest.raises(ValueError, match="'/'"):
        prune_script("/", root=tmp_path)
    with pytest.raises(ValueError, match="-1"):
        prune_script(SERVICE, keep=-1, root=tmp_path)
