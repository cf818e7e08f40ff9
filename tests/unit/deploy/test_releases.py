"""Releases as the controller knows them: what decides their digest, and the tree's stamp."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.workspace import make_workspace, write_lock
from tomobeam_deploy.releases import Release, ReleaseError, Stamp, release_of, tree_stamp
from tomobeam_deploy.releases import release as release_module
from tomobeam_deploy.templates import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    make_workspace(tmp_path)
    return tmp_path


def digest(tree: Path, service: str = "server", packages: tuple[str, ...] = ("alpha",)) -> str:
    return release_of(service, packages, tree=tree).digest


def test_a_release_says_where_it_belongs(tree: Path) -> None:
    release = release_of("server", ("alpha",), tree=tree)
    assert release.name == f"1.2.0-{release.digest}"
    assert release.folder == f"/opt/tomobeam/server/releases/{release.name}"
    assert release.archive == tree / f"build/releases/server-{release.name}.tar"
    assert not release.archive.exists()


def test_the_same_tree_is_the_same_release(tree: Path) -> None:
    both = digest(tree, packages=("alpha", "gamma"))
    assert digest(tree) == digest(tree) != both
    assert digest(tree, packages=("gamma", "alpha", "gamma")) == both


@pytest.mark.parametrize(
    "path",
    [
        "services/alpha/src/alpha/__init__.py",
        "services/alpha/src/alpha/new/data.json",
        "services/alpha/pyproject.toml",
        "services/beta/src/beta/__init__.py",
    ],
)
def test_a_changed_source_is_a_new_release(tree: Path, path: str) -> None:
    before = digest(tree)
    (tree / path).parent.mkdir(exist_ok=True)
    with (tree / path).open("a") as file:
        file.write("# changed\n")
    assert digest(tree) != before


def test_a_renamed_source_is_a_new_release(tree: Path) -> None:
    before = digest(tree)
    source = tree / "services/alpha/src/alpha/__init__.py"
    source.rename(source.with_name("other.py"))
    assert digest(tree) != before


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "services/gamma/src/gamma/__init__.py",
        "services/alpha/tests/test_alpha.py",
        "services/alpha/src/alpha/__pycache__/__init__.cpython-311.pyc",
    ],
)
def test_a_file_that_is_not_in_it_changes_nothing(tree: Path, path: str) -> None:
    before = digest(tree)
    (tree / path).parent.mkdir(exist_ok=True)
    with (tree / path).open("a") as file:
        file.write("# changed\n")
    assert digest(tree) == before


@pytest.mark.parametrize("name", ["direct", "indirect"])
def test_another_version_of_what_it_needs_is_a_new_release(tree: Path, name: str) -> None:
    before = digest(tree)
    write_lock(tree, **{name: "9.0"})
    assert digest(tree) != before


def test_other_contents_of_a_version_are_a_new_release(tree: Path) -> None:
    before = digest(tree)
    write_lock(tree, digit="b")
    assert digest(tree) != before


def test_the_lock_of_what_others_need_changes_nothing(tree: Path) -> None:
    before = digest(tree)
    write_lock(tree, unrelated="9.0")
    assert digest(tree) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("RECIPE", 999), ("HOST_PYTHON_VERSION", "3.11.9"), ("HOST_PLATFORM", "aarch64-linux")],
)
def test_another_recipe_or_host_is_a_new_release(
    tree: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = digest(tree)
    monkeypatch.setattr(release_module, name, value)
    assert digest(tree) != before


def test_another_question_for_its_schema_is_a_new_release(tree: Path) -> None:
    asked = release_of("server", ("alpha",), ("alpha", "schema"), tree=tree)
    assert asked.digest != digest(tree)
    assert asked == release_of("server", ("alpha",), ("alpha", "schema"), tree=tree)


def test_each_service_has_its_own(tree: Path) -> None:
    assert digest(tree, "server") != digest(tree, "worker")


def test_what_a_release_cannot_be_made_of_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReleaseError, match="delta"):
        release_of("server", ("delta",), tree=tree)
    with pytest.raises(ReleaseError, match="server: no packages"):
        release_of("server", (), tree=tree)
    with pytest.raises(ValueError, match=r"'\.\./server'"):
        release_of("../server", ("alpha",), tree=tree)
    with pytest.raises(ValueError, match=r"'1\.0; reboot'"):
        Release("server", "1.0; reboot", "0" * 12, tree)
    with pytest.raises(ValueError, match="'0123'"):
        Release("server", "1.0", "0123", tree)
    monkeypatch.setattr(release_module, "UV", ROOT / ".tools" / "none")
    with pytest.raises(ReleaseError, match=r"make \.tools/none"):
        release_of("server", ("alpha",), tree=tree)


def test_digests_of_all_services_take_a_moment() -> None:
    names = ("common", "tiled", "ingester", "flows", "segmentation", "webapp", "reconstruction")
    began = time.monotonic()
    digests = {release_of(name, (f"tomobeam-{name}",)).digest for name in names}
    assert len(digests) == len(names)
    # Measured: 0.2 to 0.4 s; the limit leaves room for a machine under load.
    assert time.monotonic() - began < 3


def git(tree: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@host.invalid")
    command = ["git", "-C", str(tree), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_stamp_names_version_commit_and_changes(tree: Path) -> None:
    git(tree, "init", "--quiet")
    assert tree_stamp(tree) == Stamp("1.2.0", None, ())
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "begin")
    commit = git(tree, "rev-parse", "HEAD")
    assert tree_stamp(tree) == Stamp("1.2.0", commit, ())
    (tree / "services/alpha/src/alpha/with space.py").write_text("")
    (tree / "services/beta/src/beta/__init__.py").unlink()
    git(tree, "mv", "uv.lock", "moved.lock")
    assert set(tree_stamp(tree).changed) == {
        "services/alpha/src/alpha/with space.py",
        "services/beta/src/beta/__init__.py",
        "uv.lock",
        "moved.lock",
    }


def test_the_stamp_works_without_git(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Stamp("1.2.0", None, ())
    assert tree_stamp(tree) == unknown
    git(tree.parent, "init", "--quiet")
    git(tree.parent, "commit", "--quiet", "--allow-empty", "--message", "another's repository")
    assert tree_stamp(tree) == unknown
    monkeypatch.setenv("PATH", str(tree / "nothing"))
    assert tree_stamp(tree) == unknown
