"""A deploy as pyinfra runs it: how often a host is asked, what fails, what nobody may see."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from paramiko import SSHException

from tests.unit.hosts.fleet import Fleet, changed, failed
from tests.unit.hosts.program import needs_root
from tomobeam_deploy.hosts import report
from tomobeam_deploy.hosts.resources import Answers, Command, File

pytestmark = needs_root

SECRET = "that-nobody-may-see"


def steps(folder: Path) -> list[list[File]]:
    """Three, each with a file."""
    return [[File.text(str(folder / name), name)] for name in ("one", "two", "three")]


def test_an_unchanged_host_is_asked_once(fleet: Fleet, tmp_path: Path) -> None:
    fleet.deploy({"web": steps(tmp_path)})
    fleet.executed.clear()
    state = fleet.deploy({"web": steps(tmp_path)})
    assert fleet.executed == [("web", "compare")]
    assert failed(state) == []


def test_a_changed_host_is_asked_again_only_after_a_change(fleet: Fleet, tmp_path: Path) -> None:
    fleet.deploy({"web": steps(tmp_path)})
    fleet.executed.clear()
    (tmp_path / "two").write_text("edited by hand")
    fleet.deploy({"web": steps(tmp_path)})
    assert [do for _, do in fleet.executed] == ["compare", "apply", "compare"]
    assert (tmp_path / "two").read_text() == "two"


def test_a_step_that_is_not_for_a_host_asks_it_nothing(fleet: Fleet, tmp_path: Path) -> None:
    fleet.deploy({"web": [*steps(tmp_path)[:1], [], []]})
    assert [do for _, do in fleet.executed] == ["compare", "apply"]


def test_a_plan_asks_once_and_is_what_is_then_done(
    fleet: Fleet, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    state = fleet.deploy({"web": steps(tmp_path)}, dry=True)
    assert fleet.executed == [("web", "compare")]
    assert changed(state) == [("web", 3)]
    assert f"{tmp_path}/three: absent" in said.text
    assert list(tmp_path.iterdir()) == []

    fleet.executed.clear()
    fleet.deploy({"web": steps(tmp_path)[:1]}, plan=True)
    assert [do for _, do in fleet.executed] == ["compare", "apply"]


def test_contents_are_only_sent_to_a_host_that_differs(fleet: Fleet, tmp_path: Path) -> None:
    resources = [File.text(f"{tmp_path}/x", "x"), File.text(f"{tmp_path}/y", "y")]
    fleet.deploy({"web": [resources[:1]]})
    fleet.deploy({"web": [resources[:1]]})
    compared, applied, again = (each["resources"] for each in fleet.orders)
    assert "content" in applied[0]
    assert all("content" not in order for order in [*compared, *again])


def test_what_follows_from_a_change_is_put_right_in_the_same_step(
    fleet: Fleet, tmp_path: Path
) -> None:
    file, copy = tmp_path / "file", tmp_path / "copy"
    follows = Command("copy", f"cmp -s {file} {copy}", f"cp {file} {copy}")
    fleet.deploy({"web": [[File.text(str(file), "old"), follows]]})
    fleet.executed.clear()
    fleet.deploy({"web": [[File.text(str(file), "new"), follows]]})
    assert copy.read_text() == "new"
    assert [do for _, do in fleet.executed] == ["compare", "apply"]


def test_what_is_started_anew_has_to_answer_anew(
    fleet: Fleet, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    answers = Answers("tcp://127.0.0.1:x", "x.service", limit_s=0)
    fleet.answers["web"] = lambda do, ok, out, err: (
        (True, [out[0].replace('"tcp://127.0.0.1:x"', '"something else"')], [])
        if do == "compare"
        else (ok, out, err)
    )
    fleet.fail_to_deploy({"web": [[answers, File.text(f"{tmp_path}/x", "x")]]})
    assert fleet.executed == [("web", "compare"), ("web", "apply")]
    assert (tmp_path / "x").exists()
    assert "[@fake/web] tcp://127.0.0.1:x\n" in said.text


def test_no_secret_is_in_a_command_or_in_what_is_said(
    fleet: Fleet, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "kept"
    resources = [
        File.text(f"{tmp_path}/secret", SECRET, mode=0o600),
        Command("kept", f"cmp -s - {kept}", f"cat > {kept}", stdin=SECRET),
    ]
    fleet.deploy({"web": [resources]}, plan=True)
    assert kept.read_text() == (tmp_path / "secret").read_text() == SECRET
    assert [do for _, do in fleet.executed] == ["compare", "apply"]
    assert SECRET in json.dumps(fleet.orders)
    assert SECRET not in "".join(fleet.commands)
    assert SECRET not in said.text
    assert SECRET not in repr(resources)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            (False, [], ["Sorry, try again.", "sudo: 3 incorrect password attempts"]),
            "sudo does not take this password",
        ),
        ((False, [], []), "the connection broke"),
        ((True, [], []), "answered what is no comparison"),
        ((True, ["Welcome to this host"], []), "answered what is no comparison: 'Welcome to"),
        ((True, ["[1]"], []), "answered what is no comparison"),
    ],
)
def test_a_host_that_cannot_be_looked_at_fails_and_the_others_end_well(
    fleet: Fleet,
    tmp_path: Path,
    said: pytest.LogCaptureFixture,
    answer: tuple[bool, list[str], list[str]],
    sentence: str,
) -> None:
    fleet.answers["web"] = lambda *_: answer
    state = fleet.deploy({"web": steps(tmp_path / "w"), "storage": steps(tmp_path / "s")})
    assert failed(state) == ["web"]
    assert f"[@fake/web]     {sentence}" in said.text
    assert fleet.executed.count(("web", "compare")) == 1
    assert not (tmp_path / "w").exists()
    assert len(list((tmp_path / "s").iterdir())) == 3


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SSHException("no route"), "the connection broke: no route"),
        (ConnectionResetError(104, "reset"), "the connection broke: [Errno 104] reset"),
        (TimeoutError(), "did not answer in time"),
        (EOFError(), "sudo wants a password; give it: --same-sudo-password"),
    ],
)
def test_a_connection_that_breaks_is_one_host_s_fault(
    fleet: Fleet,
    tmp_path: Path,
    said: pytest.LogCaptureFixture,
    error: Exception,
    sentence: str,
) -> None:
    def broken(*_: object) -> NoReturn:
        raise error

    fleet.answers["web"] = broken
    state = fleet.deploy({"web": steps(tmp_path / "w"), "storage": steps(tmp_path / "s")})
    assert failed(state) == ["web"]
    assert sentence in said.text


def test_a_host_that_is_gone_while_it_is_put_right_is_said_to_be(
    fleet: Fleet, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    fleet.answers["web"] = lambda do, *answer: (False, [], []) if do == "apply" else answer
    state = fleet.deploy({"web": steps(tmp_path / "w"), "storage": steps(tmp_path / "s")})
    assert failed(state) == ["web"]
    assert "[@fake/web]     the connection broke" in said.text
    assert fleet.executed.count(("web", "apply")) == 1
    assert (tmp_path / "s/three").exists()


def test_a_resource_that_fails_ends_its_host_and_the_next_run_repairs_it(
    fleet: Fleet, tmp_path: Path, said: pytest.LogCaptureFixture
) -> None:
    stopper = tmp_path / "stopper"
    stopper.touch()
    impossible = Command("go", f"[ ! -e {stopper} ]", f"[ ! -e {stopper} ] || exit 3")
    mine = [[File.text(f"{tmp_path}/a", "a")], [impossible], [File.text(f"{tmp_path}/b", "b")]]
    state = fleet.deploy({"web": mine, "storage": steps(tmp_path / "s")})
    assert failed(state) == ["web"]
    assert "go: sh -c ended with 3: it said nothing" in said.text
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
    assert (tmp_path / "s/three").exists()

    stopper.unlink()
    assert failed(fleet.deploy({"web": mine})) == []
    assert (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        (86400 + 700, "its clock is 1 day, 0:1[12]:[0-9]+ ahead of this machine's"),
        (-400, "its clock is 0:06:[0-9]+ behind this machine's"),
    ],
)
def test_a_host_whose_clock_is_wrong_is_named_before_tls_fails(
    fleet: Fleet,
    tmp_path: Path,
    said: pytest.LogCaptureFixture,
    seconds: int,
    sentence: str,
) -> None:
    def late(_do: str, ok: bool, out: list[str], err: list[str]) -> tuple[bool, list[str], list]:
        answer = json.loads(out[0])
        return ok, [json.dumps(answer | {"now": answer["now"] + seconds})], err

    fleet.answers["web"] = late
    state = fleet.deploy({"web": steps(tmp_path / "w"), "storage": steps(tmp_path / "s")})
    assert failed(state) == ["web"]
    assert re.search(sentence, said.text)
    assert "sudo date --set=@$(date +%s)" in said.text
    assert not (tmp_path / "w").exists()


def test_a_slow_answer_is_no_wrong_clock(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    clock = iter([now - 1000, now + 1000, now - 1000, now + 1000])
    monkeypatch.setattr(
        "tomobeam_deploy.hosts.operations.time", SimpleNamespace(time=lambda: next(clock))
    )
    assert failed(fleet.deploy({"web": steps(tmp_path)[:1]})) == []


def test_a_plan_reports_every_host_for_drift(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report"
    monkeypatch.setenv(report.VARIABLE, str(path))
    fleet.answers["web"] = lambda *_: (False, [], ["python3: not found"])
    fleet.deploy({"storage": steps(tmp_path / "s")})
    path.unlink()
    (tmp_path / "s/two").unlink()
    state = fleet.deploy({"web": steps(tmp_path), "storage": steps(tmp_path / "s")}, dry=True)
    assert report.read(path) == {
        "@fake/web": "python3: not found",
        "@fake/storage": {f"{tmp_path}/s/two": ["absent"]},
    }
    assert failed(state) == ["web"]
