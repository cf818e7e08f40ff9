"""Of two changes of one site, the second is told to wait."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tomobeam_deploy.hosts import alone
from tomobeam_deploy.hosts.alone import SiteBusy

PROGRAM = """
import sys
from tomobeam_deploy.hosts import alone
alone.command_line = lambda: {"dry": False}
alone.alone("i13")
print("mine", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _a_deploy_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    held: dict[Path, IO[str]] = {}
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(alone, "_held", held)
    # pyinfra's own, which reads it, would change the modules of this process.
    monkeypatch.setattr(alone, "command_line", lambda: {"dry": False})
    yield
    for file in held.values():
        file.close()


@contextmanager
def another() -> Iterator[subprocess.Popen[str]]:
    """A process that has the site."""
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, env=os.environ) as process:
        assert process.stdout
        assert process.stdout.readline() == "mine\n"
        yield process
        process.kill()


def test_another_one_is_refused_with_the_process_that_has_the_site() -> None:
    with another() as process:
        with pytest.raises(SiteBusy, match=rf"^i13: another deploy \(process {process.pid}\) is"):
            alone.alone("i13")
        alone.alone("i22")
    # Its lock ended with it, though it was killed.
    alone.alone("i13")


def test_it_is_called_for_each_host_of_a_deploy() -> None:
    alone.alone("i13")
    alone.alone("i13")
    assert alone.lock_file("i13").read_text() == str(os.getpid())


def test_a_plan_is_always_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "command_line", lambda: {"dry": True})
    with another():
        alone.alone("i13")
