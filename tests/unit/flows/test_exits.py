from __future__ import annotations

import pytest

from tomobeam_flows.exits import explain_exit
from tomobeam_flows.launchers import Exit


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (1, "exit code 1"),
        (2, "exit code 2: it refused its parameters or its data"),
        (127, "exit code 127: its command or the command's interpreter was not found"),
        (-9, "killed by SIGKILL (signal 9): most likely the memory ran out"),
        (137, "killed by SIGKILL (signal 9): most likely the memory ran out"),
        (-11, "killed by SIGSEGV (signal 11): a library crashed"),
        (-10, "killed by SIGUSR1 (signal 10)"),
        (255, "exit code 255"),
    ],
)
def test_explain_exit(code: int, sentence: str) -> None:
    assert explain_exit(Exit(code)) == sentence


def test_what_the_launcher_knows_better() -> None:
    assert explain_exit(Exit(137, "over its limit of 512 MiB")) == "over its limit of 512 MiB"
