"""Files, folders and links as the program compares them and puts them right."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tests.unit.hosts.program import apply, compare, fault, needs_root
from tomobeam_deploy.hosts.resources import File, Folder, Link

NOBODY = "nobody"


def differences(resource: File | Folder | Link) -> list[str]:
    return compare(resource).get(resource.title, [])


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@needs_root
def test_a_file_is_written_with_its_folder_owner_and_mode(tmp_path: Path) -> None:
    file = File.text(str(tmp_path / "a/b/x.conf"), "ä\n", mode=0o640, owner=NOBODY, group="root")
    assert differences(file) == ["absent"]
    assert apply(file) == [file.path]
    path = Path(file.path)
    assert path.read_text() == "ä\n"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert path.owner() == NOBODY
    assert path.parent.stat().st_mode & 0o7777 == 0o755
    assert [each.name for each in path.parent.iterdir()] == ["x.conf"]
    assert differences(file) == []


@needs_root
def test_what_differs_about_a_file_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "x"
    file = File.text(str(path), "right", mode=0o600)
    path.write_text("wrong")
    path.chmod(0o644)
    uid = pwd.getpwnam(NOBODY).pw_uid
    os.chown(path, uid, -1)
    assert differences(file) == [
        "content differs",
        "mode is 644, not 600",
        f"owner is {uid}, not root",
    ]
    assert differences(File.text(str(path), "wrong", owner="ghost"))[-1] == (
        f"owner is {uid}, not ghost"
    )
    apply(file)
    assert differences(file) == []


def test_below_what_is_no_folder_everything_is_absent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert differences(File.text(f"{tmp_path}/file/x", "")) == ["absent"]
    assert differences(File.text(f"{tmp_path}/none/x", "")) == ["absent"]
    assert differences(Link(f"{tmp_path}/none/x", "y")) == ["absent"]
    assert differences(Folder(f"{tmp_path}/none/x")) == ["absent"]


@needs_root
def test_an_unknown_owner_is_said_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    file = File.text(str(path), "new", group="ghosts")
    assert fault("apply", file).splitlines()[-1] == f"{path}: there is no group ghosts"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


@needs_root
def test_a_file_that_is_refused_does_not_replace_the_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "rules.nft"
    path.write_text("old")
    check = ("sh", "-c", "echo checked; grep -L table $0; basename $0 >&2; echo $0:1: bad >&2")
    refuse = (*check[:2], f"{check[2]}; exit 3", "{}")
    said = fault("apply", File.text(str(path), "new", validate=refuse))
    assert said.splitlines() == [
        str(path),
        f"{path}: refused by sh; what is there stays: rules.nft",
        f"{path}:1: bad",
    ]
    assert path.read_text() == "old"
    assert names(tmp_path) == ["rules.nft"]

    apply(File.text(str(path), "new", validate=(*check, "{}")))
    assert path.read_text() == "new"


@needs_root
def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / ".tomobeam-new"
    left.mkdir()
    (left / "half").write_text("written")
    apply(File.text(str(tmp_path / "x"), "x"))
    assert names(tmp_path) == ["x"]


@needs_root
def test_a_link_in_the_way_is_replaced_and_what_it_points_to_is_kept(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    elsewhere.chmod(0o604)
    path = tmp_path / "x"
    path.symlink_to(elsewhere)
    file = File.text(str(path), "x", mode=0o600)
    assert differences(file) == ["is no file"]
    apply(file)
    assert not path.is_symlink()
    assert path.read_text() == "x"
    assert elsewhere.read_text() == "precious"
    assert elsewhere.stat().st_mode & 0o7777 == 0o604


@needs_root
def test_a_full_disk_is_said_with_the_file_and_leaves_the_old_one(small_disk: Path) -> None:
    path = small_disk / "x"
    apply(File.text(str(path), "old"))
    said = fault("apply", File(str(path), b"x" * 100_000))
    assert said.splitlines()[-1] == f"{path}: No space left on device"
    assert path.read_text() == "old"
    assert names(small_disk) == ["x"]


@needs_root
def test_a_folder_in_the_way_is_never_removed(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    for resource in (File.text(str(folder), ""), Link(str(folder), "y")):
        said = fault("apply", resource)
        assert said.splitlines()[-1] == f"{folder}: is a folder; move it away"
    assert folder.is_dir()


@needs_root
def test_a_folder_is_made_and_put_right(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "a/b"), 0o750, NOBODY, "root")
    assert differences(folder) == ["absent"]
    apply(folder)
    path = Path(folder.path)
    assert path.owner() == NOBODY
    path.chmod(0o777)
    assert differences(folder) == ["mode is 777, not 750"]
    (path / "kept").touch()
    apply(folder)
    assert differences(folder) == []
    assert (path / "kept").exists()


@needs_root
def test_a_file_or_a_link_where_a_folder_belongs_is_for_a_person(tmp_path: Path) -> None:
    path, real = tmp_path / "x", tmp_path / "real"
    real.mkdir(mode=0o700)
    path.symlink_to(real)
    folder = Folder(str(path), 0o755)
    assert differences(folder) == ["is no folder"]
    assert fault("apply", folder).splitlines()[-1] == f"{path}: is no folder; move it away"
    assert real.stat().st_mode & 0o7777 == 0o700


@needs_root
def test_a_link_is_made_and_turned(tmp_path: Path) -> None:
    path = tmp_path / "service/current"
    link = Link(str(path), "releases/2")
    assert differences(link) == ["absent"]
    apply(link)
    path.unlink()
    path.symlink_to("releases//1")
    assert differences(link) == ["points to releases//1, not releases/2"]
    apply(link)
    assert path.readlink() == Path("releases/2")
    assert names(path.parent) == ["current"]
