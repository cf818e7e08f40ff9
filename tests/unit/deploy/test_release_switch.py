"""How hosts switch to a release, and go back to an earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.deploy.release_scripts import (
    SERVICE,
    a_release,
    killed_everywhere,
    link,
    run,
    switched,
    unpacked,
)
from tomobeam_deploy.releases import Release, back_script, switch_script


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
