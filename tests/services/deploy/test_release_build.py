"""Real environments, built from a copy of this tree and moved to another place.

What is not in uv's cache is fetched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.waiting import wait_for
from tomobeam_deploy.releases import (
    Release,
    ReleaseError,
    ensure_release,
    release_of,
    switch_script,
    unpack_script,
)
from tomobeam_deploy.releases.build import install
from tomobeam_deploy.releases.release import HOST_PYTHON, inputs_of, uv
from tomobeam_deploy.templates import ROOT

SERVICE, PACKAGES = "broker", ("tomobeam-common",)
# A host's environment: nothing of the one in which the tests run.
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
BUILD = (
    "import sys; from pathlib import Path; from tomobeam_deploy.releases import ensure_release;"
    f"release = ensure_release({SERVICE!r}, {PACKAGES!r}, tree=Path(sys.argv[1]));"
    "print(release.archive.stat().st_ino)"
)


def host_python_is_ours() -> bool:
    if not HOST_PYTHON.exists():
        return False
    done = subprocess.run(
        [HOST_PYTHON, "--version"], capture_output=True, text=True, check=True, env=BARE
    )
    return done.stdout.startswith("Python 3.11.")


needs_host_python = pytest.mark.skipif(
    not host_python_is_ours(), reason=f"{HOST_PYTHON} is no Python 3.11, as Debian 12's is"
)


def copy_of_the_tree(to: Path) -> Path:
    to.mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, to)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "services", to / "services", ignore=ignored)
    return to


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace as it is."""
    return copy_of_the_tree(tmp_path_factory.mktemp("shared") / "tree")


@pytest.fixture
def own_tree(tmp_path: Path) -> Path:
    """The workspace, for a test that changes it."""
    return copy_of_the_tree(tmp_path / "tree")


@pytest.fixture(scope="module")
def release(tree: Path) -> Release:
    return ensure_release(SERVICE, PACKAGES, tree=tree)


@pytest.fixture(scope="module")
def current(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release as a host has it, elsewhere than it was built or belongs."""
    root = tmp_path_factory.mktemp("opt")
    for script in (unpack_script(release, root=root), switch_script(release, root=root)):
        with release.archive.open("rb") as file:
            subprocess.run(["/bin/sh", "-c", script], stdin=file, check=True, env=BARE)
    return root / SERVICE / "current"


def said_by(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=BARE, cwd="/")
    return done.stdout


@needs_host_python
def test_it_runs_where_it_is_unpacked(current: Path) -> None:
    program = "import numpy, sys, tomobeam_common; print(sys.prefix, sys.base_prefix)"
    assert said_by(current / "bin/python", "-c", program).split() == [str(current), "/usr"]
    assert said_by(current / "bin/tomobeam-exec", "--", "/bin/echo", "moved") == "moved\n"


@needs_host_python
def test_all_modules_are_compiled_for_the_host(current: Path) -> None:
    def compiled() -> set[Path]:
        return set(current.resolve().rglob("*.pyc"))

    before = compiled()
    loaded = subprocess.run(
        [current / "bin/python", "-v", "-c", "import pydantic, tomobeam_common.exec"],
        capture_output=True,
        text=True,
        check=True,
        env=BARE,
    ).stderr
    assert re.search(r"code object from '.*/tomobeam_common/__pycache__/exec\..*pyc'", loaded)
    assert re.search(r"code object from '.*/pydantic/__pycache__/main\..*pyc'", loaded)
    assert compiled() == before


def test_nothing_in_it_names_the_controller(release: Release, tree: Path, current: Path) -> None:
    cache = uv(tree, "cache", "dir").strip()
    names = [tree, ROOT, cache, sys.prefix, Path(os.path.realpath(sys.executable)).parent.parent]
    traces = [os.fsencode(str(name)) for name in names if str(name) != "/usr"]
    found = [
        path
        for path in current.resolve().rglob("*")
        if any(trace in content(path) for trace in traces)
    ]
    assert found == []
    code = next(current.resolve().rglob("tomobeam_common/__pycache__/exec.*.pyc")).read_bytes()
    assert f"{release.folder}/lib/python3.11/site-packages/tomobeam_common".encode() in code


def content(path: Path) -> bytes:
    if path.is_symlink():
        return os.fsencode(path.readlink())
    return path.read_bytes() if path.is_file() else b""


def test_root_owns_it_and_nobody_else_may_write(release: Release) -> None:
    with tarfile.open(release.archive) as tar:
        for entry in tar:
            assert (entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, "root", "root")
            assert entry.issym() or not entry.mode & (stat.S_IWGRP | stat.S_IWOTH), entry.name
            assert not entry.mode & (stat.S_ISUID | stat.S_ISGID), entry.name


def test_it_says_what_it_is(release: Release, current: Path) -> None:
    named = {path.name for path in current.iterdir()}
    assert named <= {"bin", "include", "lib", "lib64", "pyvenv.cfg", "release.json", "share"}
    description = json.loads((current / "release.json").read_text())
    assert description["service"] == SERVICE
    assert f"{description['version']}-{description['digest']}" == release.name
    assert (description["commit"], description["changed"]) == (None, [])  # a copy without git
    assert description["packages"]["tomobeam-common"] == release.version
    assert description["schema"] == {}
    assert {"numpy", "pydantic", "tomobeam-contracts"} <= description["packages"].keys()
    assert not {"prefect", "pytest", "tomobeam"} & description["packages"].keys()


def test_it_says_which_schemas_it_knows(own_tree: Path) -> None:
    known = {"tiled_catalog": ["second", "first"]}
    says = ("tomobeam-exec", "--", "/bin/echo", json.dumps(known))
    release = ensure_release(SERVICE, PACKAGES, says, tree=own_tree)
    with tarfile.open(release.archive) as tar:
        file = tar.extractfile("release.json")
        assert file
        assert json.load(file)["schema"] == known


def test_one_that_does_not_say_which_schemas_it_knows_is_none(own_tree: Path) -> None:
    says = ("tomobeam-exec", "--", "/bin/sh", "-c", "echo no such thing >&2; exit 3")
    with pytest.raises(ReleaseError, match=r"^broker: tomobeam-exec: no such thing$"):
        ensure_release(SERVICE, PACKAGES, says, tree=own_tree)
    assert not list((own_tree / "build/releases").glob("*.tar"))


def test_it_is_built_once(release: Release, tree: Path) -> None:
    built = release.archive.stat()
    assert ensure_release(SERVICE, PACKAGES, tree=tree) == release
    assert release.archive.stat() == built


def test_what_the_hosts_python_needs_is_there_though_the_controllers_does_not(
    tree: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    inputs = inputs_of("prefect-server", ("tomobeam-flows",), tree)
    assert "python_full_version < '3.11.3'" in inputs.requirements
    install(inputs, tmp_path / "requirements.txt", environment)
    assert list(environment.rglob("async_timeout/__init__.py"))


def test_a_changed_source_is_installed_though_its_project_stays(
    own_tree: Path, tmp_path: Path
) -> None:
    source = Path("tomobeam_common/exec.py")
    for name in ("first", "second"):
        with (own_tree / "services/common/src" / source).open("a") as file:
            file.write(f"# {name}\n")
        environment = tmp_path / name
        install(inputs_of(SERVICE, PACKAGES, own_tree), tmp_path / f"{name}.txt", environment)
        installed = environment / "lib/python3.11/site-packages" / source
        assert installed.read_text().endswith(f"# {name}\n")


def test_a_killed_build_leaves_nothing_that_counts_and_two_at_once_build_one(
    own_tree: Path,
) -> None:
    release = release_of(SERVICE, PACKAGES, tree=own_tree)
    command = [sys.executable, "-c", BUILD, str(own_tree)]
    part = release.archive.parent / f"{SERVICE}.part"
    killed = subprocess.Popen(command, start_new_session=True)
    wait_for((part / "environment" / "bin").exists, "an environment that is half built")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert part.exists()
    assert not release.archive.exists()

    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] == f"{release.archive.stat().st_ino}\n"
    assert not part.exists()
    with tarfile.open(release.archive) as tar:
        assert tar.getnames()[-1] == "release.json"


def test_of_each_service_the_last_two_archives_are_kept(own_tree: Path) -> None:
    newest = release_of(SERVICE, PACKAGES, tree=own_tree).archive
    folder = newest.parent
    folder.mkdir(parents=True, exist_ok=True)
    older = [folder / f"{SERVICE}-1.{age}-{age:012x}.tar" for age in range(3)]
    of_another = folder / f"{SERVICE}-spare-1.0-{0:012x}.tar"
    for age, path in enumerate([*older, of_another]):
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    assert ensure_release(SERVICE, PACKAGES, tree=own_tree).archive == newest
    assert set(folder.glob("*.tar")) == {newest, older[0], of_another}


def test_a_tree_that_changes_while_it_is_built_is_refused(own_tree: Path, tmp_path: Path) -> None:
    inputs = inputs_of(SERVICE, PACKAGES, own_tree)
    (own_tree / "services/common/src/tomobeam_common/new.py").touch()
    with pytest.raises(ReleaseError, match=f"{SERVICE}: the tree was changed"):
        install(inputs, tmp_path / "requirements.txt", tmp_path / "environment")
