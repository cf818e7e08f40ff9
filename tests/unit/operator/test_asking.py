"""How hosts are asked: each once, side by side, and what is said of those that do not answer."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tomobeam_deploy.on_host import orders
from tomobeam_deploy.status import asking
from tomobeam_deploy.status.asking import ask, ask_all

QUESTIONS = {"units": [], "links": [], "addresses": {}, "folders": [], "files": []}


@pytest.fixture
def ssh(tmp_path: Path) -> list[str]:
    """Stands for OpenSSH: notes how it was called and what it was given, and does as it is told."""
    program = tmp_path / "ssh.py"
    program.write_text(
        "import json, pathlib, subprocess, sys, time\n"
        "given = sys.stdin.read()\n"
        "with open(sys.argv[0] + '.log', 'a') as log:\n"
        "    log.write(json.dumps([sys.argv[1:], given]) + '\\n')\n"
        "exec(pathlib.Path(sys.argv[0] + '.does').read_text())\n"
    )
    return [sys.executable, str(program)]


def does(ssh: list[str], code: str) -> None:
    Path(f"{ssh[1]}.does").write_text(code)


def calls(ssh: list[str]) -> list[tuple[list[str], str]]:
    return [tuple(json.loads(line)) for line in Path(f"{ssh[1]}.log").read_text().splitlines()]


@pytest.fixture(autouse=True)
def _options_after_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python, unlike ssh, wants its options elsewhere."""
    monkeypatch.setattr(asking, "OPTIONS", ())


def test_a_host_is_asked_once_and_its_clock_is_read(ssh: list[str]) -> None:
    does(ssh, "print(json.dumps({'now': time.time() + 100}))")
    answer = ask([*ssh, "-p2222", "192.0.2.1"], QUESTIONS, None)
    assert answer.fault == ""
    assert answer.clock_off_s == pytest.approx(100, abs=10)
    [(arguments, given)] = calls(ssh)
    assert arguments[:2] == ["-p2222", "192.0.2.1"]
    assert arguments[2].startswith("sudo --non-interactive -- python3 -I -S -c ")
    assert given == orders("report", questions=QUESTIONS)


def test_a_clock_within_the_time_of_asking_is_right(ssh: list[str]) -> None:
    does(ssh, "print(json.dumps({'now': time.time()}))")
    assert ask(ssh, QUESTIONS, None).clock_off_s == 0


def test_a_password_goes_by_standard_input_and_is_not_taken_for_orders(ssh: list[str]) -> None:
    # A sudo that wants no password leaves it to the program.
    does(
        ssh,
        "command = sys.argv[-1].replace('sudo --stdin --prompt= -- python3', sys.executable)\n"
        "sys.exit(subprocess.run(command, input=given, shell=True, text=True).returncode)",
    )
    answer = ask(ssh, QUESTIONS | {"units": None}, "the-password")
    assert "NoneType" in answer.fault
    [(arguments, given)] = calls(ssh)
    assert "the-password" not in " ".join(arguments)
    assert given.startswith("the-password\n")


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (
            "sys.exit('ssh: connect to host 192.0.2.1 port 22: Connection timed out')",
            "connect to host 192.0.2.1 port 22: Connection timed out",
        ),
        ("sys.exit('a banner\\nHost key verification failed.')", "Host key verification failed."),
        (
            "sys.exit('sudo: a password is required')",
            "sudo wants a password; give it: --same-sudo-password",
        ),
        ("sys.exit(255)", "the connection broke"),
        ("print('Welcome')", "answered what is no report: 'Welcome\\n'"),
        ("print('[1]')", "answered what is no report: '[1]\\n'"),
        ("", "answered what is no report: ''"),
    ],
)
def test_why_a_host_does_not_answer_is_said(ssh: list[str], code: str, fault: str) -> None:
    does(ssh, code)
    answer = ask(ssh, QUESTIONS, None)
    assert (answer.said, answer.fault) == (None, fault)


def test_a_host_that_hangs_holds_nobody_up(ssh: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_LIMIT_S", 3)
    does(ssh, "print(json.dumps({'now': time.time()}))\nif 'hangs' in sys.argv: time.sleep(60)")
    began = time.monotonic()
    hosts = {name: [*ssh, name] for name in ("hangs", "well", "another")}
    found = ask_all(hosts, dict.fromkeys(hosts, QUESTIONS), None)
    assert time.monotonic() - began < 30
    assert {name: answer.fault for name, answer in found.items()} == {
        "hangs": "did not answer in 3 s",
        "well": "",
        "another": "",
    }
