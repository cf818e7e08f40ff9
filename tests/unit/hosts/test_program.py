"""The program as a whole: how it travels, what it answers, how it ends."""

from __future__ import annotations

import ast
import fcntl
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.hosts.program import apply, compare, fault, needs_root, send
from tomobeam_deploy import on_host
from tomobeam_deploy.hosts import resources
from tomobeam_deploy.hosts.brought import Bundle, ContainerImage, FetchedImage, Packages
from tomobeam_deploy.hosts.resources import (
    Account,
    Answers,
    Command,
    File,
    Folder,
    Link,
    Masked,
    Overrides,
    Ran,
    Resource,
    Schema,
    SharedGroup,
    Unit,
)
from tomobeam_deploy.on_host import main as program
from tomobeam_deploy.packages import Repository


def repository() -> Repository:
    return Repository("0" * 16, Path("/nowhere"), ())


EVERY_KIND: list[Resource] = [
    Packages(("dpkg",), repository),
    SharedGroup("tomobeam", 6100),
    Account("tomobeam-tiled", 6101, "/var/lib/tomobeam/tiled"),
    Folder("/etc/tomobeam"),
    File.text("/etc/tomobeam/x", "x"),
    Link("/etc/tomobeam/l", "x"),
    Masked("apt-daily.timer"),
    Overrides("tomobeam-tiled.service"),
    Unit("tomobeam-tiled.service"),
    Ran("tomobeam-tiled-prepare.service", "/etc/tomobeam/ran", "0123"),
    Schema("tiled", "/opt/release", "/etc/tomobeam/s", "migrate.service", lambda *_: {}),
    Command("all is well", "true", "true"),
    Answers("http://127.0.0.1:1", "tomobeam-tiled.service"),
    Bundle("release", "/opt/marker", lambda: Path("/nowhere"), "cat"),
    ContainerImage(
        "/run/podman.sock",
        "/var/lib",
        ("localhost/one:1",),
        "label",
        lambda: "0123",
        Path,
    ),
    FetchedImage("/run/podman.sock", ("localhost/other:1",), "registry.example.org/x/other:1"),
]


def test_all_kinds_are_spoken_of_here() -> None:
    def kinds(kind: type[Resource]) -> set[type[Resource]]:
        below = set(kind.__subclasses__())
        return below.union(*map(kinds, below))

    assert {type(resource) for resource in EVERY_KIND} == kinds(resources.Resource)
    assert {resource.kind for resource in EVERY_KIND} == set(program.KINDS)


@pytest.mark.parametrize("resource", EVERY_KIND, ids=lambda resource: resource.kind)
def test_the_host_is_given_every_field_that_it_uses(resource: Resource) -> None:
    given = resource.wanted() | resource.payload() | {"upload": ""}
    used = program.KINDS[resource.kind].__annotations__
    assert set(used) <= set(given)


def test_only_what_puts_right_is_sent_late() -> None:
    late = {
        name
        for resource in EVERY_KIND
        for name in set(program.KINDS[resource.kind].__annotations__) - set(resource.wanted())
    }
    assert late == {"content", "migrate", "script", "upload"}


def test_every_module_travels_and_needs_nothing_of_this_repository() -> None:
    folder = Path(on_host.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} == {"__init__", *on_host.MODULES}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                of_host = node.module.startswith(on_host.__name__)
                assert of_host or node.module.partition(".")[0] in sys.stdlib_module_names
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= (
                    sys.stdlib_module_names
                )


def test_the_program_takes_nothing_from_where_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tomobeam_deploy", "json", "hashlib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not that one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert compare(Command("all is well", "true", "true")) == {}


def test_comparing_answers_in_one_line_with_the_clock(tmp_path: Path) -> None:
    before = time.time()
    done = send("compare", Link(str(tmp_path / "link"), "there"))
    [line] = done.stdout.splitlines()
    answer: dict[str, Any] = json.loads(line)
    assert answer["differences"] == {str(tmp_path / "link"): ["absent"]}
    assert before <= answer["now"] <= time.time()
    assert done.stderr == ""


def test_a_fault_while_comparing_names_the_resource(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    said = fault("compare", Folder(str(tmp_path)), File.text(f"{loop}/settings", "a"))
    assert said == f"{loop}/settings: Too many levels of symbolic links\n"


@needs_root
def test_applying_says_where_it_is_and_ends_at_what_fails(tmp_path: Path) -> None:
    first, last = tmp_path / "first", tmp_path / "last"
    said = fault(
        "apply",
        File.text(str(first), "1"),
        Folder(str(tmp_path), 0o700),
        Command("is impossible", "false", "echo it does not want to >&2; exit 7"),
        File.text(str(last), "2"),
    )
    assert said.splitlines() == [
        str(first),
        "is impossible",
        "is impossible: sh -c ended with 7: it does not want to",
    ]
    assert first.read_text() == "1"
    assert not last.exists()


@needs_root
def test_addresses_are_waited_for_after_everything_was_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    ends = Answers("tcp://127.0.0.1:nowhere", "x.service", limit_s=0)
    begins = Command("started", f"[ -e {started} ]", f"touch {started}")
    done = send("apply", ends, begins)
    assert done.stderr.splitlines()[:2] == ["started", "tcp://127.0.0.1:nowhere"]


@needs_root
def test_two_at_once_on_a_host_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with Path(program.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        order = File.text(str(path), "x")
        second = subprocess.Popen(
            on_host.COMMAND, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with pytest.raises(subprocess.TimeoutExpired):
            second.communicate(
                on_host.orders("apply", [order.wanted() | order.payload()]), timeout=1
            )
        assert not path.exists()
        assert compare(order) == {str(path): ["absent"]}
    assert second.communicate()[1] == f"{path}\n"
    assert path.exists()


@needs_root
def test_what_was_put_right_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert apply(File.text(str(path), "x")) == [str(path)]
    inode = path.stat().st_ino
    assert apply(File.text(str(path), "x")) == []
    assert path.stat().st_ino == inode
