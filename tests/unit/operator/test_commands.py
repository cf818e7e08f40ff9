"""How the commands of `tomobeam-site` run pyinfra, and where it may ask for sudo's password."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.hosts.installation import Installation, main
from tomobeam_deploy.hosts import preflight
from tomobeam_deploy.operator import canary, drift, rollback, uninstall

OPTION = "--same-sudo-password"
Ran = list[tuple[list[str], Any]]


@dataclass(frozen=True)
class Command:
    """What the operator gives besides the inventory, and what pyinfra then runs and is told."""

    name: str
    given: tuple[str, ...]
    deploy: Path
    told: tuple[str, ...]
    shows: bool
    """whether pyinfra has the operator's terminal in any case"""


LIMIT = ("--limit", "web")
COMMANDS = [
    Command("drift", LIMIT, drift.ALL, ("--dry", "--json", *LIMIT), False),
    Command("canary", (), canary.DEPLOY, ("-y",), False),
    Command("rollback", LIMIT, rollback.DEPLOY, ("-y", *LIMIT), True),
    Command(
        "uninstall",
        ("webapp", *LIMIT),
        uninstall.DEPLOY,
        ("--data", "role=webapp", *LIMIT),
        True,
    ),
]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """What was run instead of pyinfra, which does nothing and fails: words and standard input."""
    ran: Ran = []

    def run(words: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        ran.append((words, how.get("stdin")))
        return subprocess.CompletedProcess(words, 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return ran


@pytest.mark.parametrize("options", [(), (OPTION,)], ids=["", "asks"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_that_runs_pyinfra_lets_it_ask_for_the_password(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    ran: Ran,
    command: Command,
    options: tuple[str, ...],
) -> None:
    monkeypatch.setattr(preflight, "check", lambda *_: (installation.site(), []))
    assert main(command.name, str(installation.inventory), *command.given, *options) == 1
    words = [sys.executable, "-m", "pyinfra", str(installation.inventory), str(command.deploy)]
    # Without a terminal the password is a line of the operator's standard input.
    stdin = None if command.shows or options else subprocess.DEVNULL
    assert ran == [([*words, *command.told, *options], stdin)]
    assert command.deploy.is_file()
