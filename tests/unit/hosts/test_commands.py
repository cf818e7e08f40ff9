"""States that only commands know, archives, and addresses, against real programs and servers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.unit.hosts.program import apply, compare, fault, needs_root, send
from tomobeam_deploy.hosts.brought import Bundle
from tomobeam_deploy.hosts.resources import Answers, Command
from tomobeam_deploy.on_host import addresses, orders
from tomobeam_deploy.on_host.running import Fault

SECRET = "that-nobody-may-see"


@needs_root
def test_a_state_is_checked_put_right_and_checked_again(tmp_path: Path) -> None:
    made = tmp_path / "made"
    state = Command("made", f"[ -e {made} ] || {{ echo it is gone; exit 1; }}", f"touch {made}")
    assert compare(state) == {"made": ["it is gone"]}
    assert apply(state) == ["made"]
    assert compare(state) == {}
    assert apply(state) == []


@needs_root
def test_what_a_command_does_not_put_right_is_a_fault(tmp_path: Path) -> None:
    state = Command("made", f"[ -e {tmp_path}/made ] || {{ echo gone; exit 1; }}", ":")
    assert fault("apply", state).splitlines()[-1] == "made: still: gone"


def test_a_check_that_says_nothing_on_output_is_quoted_from_its_errors() -> None:
    found = compare(Command("a", "echo why >&2; false", ""), Command("b", "false", ""))
    assert found == {"a": ["why"], "b": ["is not so"]}


def test_commands_run_in_one_place_and_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy")
    shown = compare(Command("x", 'echo "$PWD $LC_ALL $HOME [${HTTP_PROXY-}]"; false', ""))
    assert shown == {"x": ["/ C.UTF-8 /root []"]}


@needs_root
def test_a_secret_reaches_both_commands_by_standard_input_only(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    state = Command("kept", f"cmp -s - {kept}", f"cat > {kept}", stdin=SECRET)
    assert compare(state) == {"kept": ["is not so"]}
    assert apply(state) == ["kept"]
    assert kept.read_text() == SECRET
    assert compare(state) == {}


@needs_root
def test_a_command_runs_as_its_user_and_not_with_roots_groups(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    state = Command("x", "id -un; id -Gn; echo $HOME; false", "", user="nobody")
    assert compare(state) == {"x": ["nobody", "nogroup", "/nonexistent"]}


def test_an_account_that_is_not_there_yet_is_a_difference() -> None:
    state = Command("x", "true", "true", user="ghost")
    assert compare(state) == {"x": ["there is no account ghost"]}


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload"
    path.write_bytes(b"archive")
    return path


@needs_root
def test_an_archive_is_read_by_its_script_and_takes_no_place_meanwhile(
    tmp_path: Path, upload: Path
) -> None:
    marker = tmp_path / "marker"
    script = f"[ ! -e {upload} ] && cat > {marker}"
    bundle = Bundle("release", str(marker), lambda: upload, script)
    assert compare(bundle) == {"release": ["is not there"]}
    assert apply(bundle, release=str(upload)) == ["release"]
    assert marker.read_bytes() == b"archive"
    assert not upload.exists()
    assert compare(bundle) == {}


@needs_root
@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo tar: No space left on device >&2; exit 2", "is not unpacked: tar: No space left"),
        ("true", "was unpacked, but /nowhere/marker is not there"),
    ],
)
def test_an_archive_that_is_not_unpacked_is_a_fault_and_takes_no_place(
    upload: Path, script: str, sentence: str
) -> None:
    said = fault(
        "apply", Bundle("r", "/nowhere/marker", lambda: upload, script), r=str(upload)
    ).splitlines()
    assert said[-1].startswith(f"r: {sentence}")
    assert not upload.exists()


class Page(BaseHTTPRequestHandler):
    """Healthy at /well, unready at /unready."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()
        self.wfile.write(b"" if self.path == "/well" else b"no database")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    """A port on which nothing listens, and which nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_addresses_answer_or_it_is_said_how_not(server: str, silent: str, tmp_path: Path) -> None:
    found = compare(
        Answers(f"http://{server}/well", "x"),
        Answers(f"tcp://{server}", "x"),
        Answers(f"http://{server}/unready", "x"),
        Answers(f"http://{silent}/well", "x"),
        Answers(f"tcp://{silent}", "x"),
        Answers(f"https://{server}/well", "x"),
        Answers(f"https://{server}/well", "x", ca=f"{tmp_path}/ca.crt"),
    )
    assert list(found) == [
        f"http://{server}/unready",
        f"http://{silent}/well",
        f"tcp://{silent}",
        f"https://{server}/well",
    ]
    assert found[f"http://{server}/unready"] == ["answers 503: no database"]
    for silence in (f"http://{silent}/well", f"tcp://{silent}"):
        assert found[silence] == ["does not answer: [Errno 111] Connection refused"]
    [why] = found[f"https://{server}/well"]
    assert why.startswith("does not answer: ")


class Waiting:
    """An address that answers when it was asked often enough, and the state of its unit."""

    def __init__(self, patch: pytest.MonkeyPatch, states: list[tuple[str, int]]) -> None:
        self.asked = 0
        self.states = iter(states)
        patch.setattr(addresses.Answers, "differences", self.differences)
        patch.setattr(addresses, "show", self.show)
        patch.setattr(addresses, "end_of_log", lambda unit: f"the end of {unit}")
        patch.setattr(addresses, "ASK_AGAIN_S", 0)

    def differences(self) -> list[str]:
        self.asked += 1
        return [] if self.asked > 3 else ["does not answer: refused"]

    def show(self, _unit: str, *_names: str) -> dict[str, str]:
        state, restarts = next(self.states)
        return {"ActiveState": state, "NRestarts": str(restarts)}


def wait(limit_s: int = 60) -> None:
    addresses.Answers(url="http://h/", unit="u.service", limit_s=limit_s, ca=None).put_right()


def test_an_address_is_waited_for_while_its_unit_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    # Restarts of long ago do not count.
    waiting = Waiting(monkeypatch, [("active", 9), ("activating", 10), ("active", 11)] * 2)
    wait()
    assert waiting.asked == 4


@pytest.mark.parametrize("states", [[("active", 0), ("failed", 0)], [("active", 0), ("active", 3)]])
def test_a_unit_that_fails_ends_the_waiting_with_its_log(
    monkeypatch: pytest.MonkeyPatch, states: list[tuple[str, int]]
) -> None:
    waiting = Waiting(monkeypatch, states)
    with pytest.raises(Fault) as error:
        wait()
    said = f"does not answer: refused; u.service is {states[-1][0]}:\nthe end of u.service"
    assert str(error.value) == said
    assert waiting.asked == 1


def test_an_address_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    Waiting(monkeypatch, [("active", 0)] * 9)
    with pytest.raises(Fault, match=r"u\.service is active"):
        wait(limit_s=-1)


def test_what_everybody_can_read_of_a_run_holds_no_secret() -> None:
    state = Command("x", "cat /proc/$PPID/cmdline /proc/$PPID/environ; false", "", stdin=SECRET)
    assert SECRET in orders("compare", [state.wanted()])
    shown = send("compare", state)
    assert "sys.stdin.readlines()" in shown.stdout
    assert SECRET not in shown.stdout
