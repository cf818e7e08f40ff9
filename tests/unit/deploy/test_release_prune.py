"""Which releases hosts keep, and which they take away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.deploy.release_scripts import (
    CONTENTS,
    SERVICE,
    a_release,
    content,
    killed_everywhere,
    names,
    run,
    switched,
    unpacked,
)
from tomobeam_deploy.releases import Release, prune_script, pruned_script


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
