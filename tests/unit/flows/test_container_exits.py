"""How a container ended, told apart by what the runtime says of it."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from docker.errors import APIError

from tomobeam_contracts.launchers import Limits
from tomobeam_flows.exits import explain_exit
from tomobeam_flows.launchers.container_exits import ended, never_began

LIMITED = Limits(memory_mib=64)
OOM = {"ExitCode": 137, "OOMKilled": True}
KILLED = {"ExitCode": 137, "OOMKilled": False}


@pytest.mark.parametrize(
    ("state", "limits", "sentence"),
    [
        (OOM, LIMITED, "its memory ran out, the limit is 64 MiB"),
        (OOM, Limits(), "its memory ran out, the limit is the host's"),
        ({"ExitCode": 1, "OOMKilled": True}, LIMITED, "its memory ran out, the limit is 64 MiB"),
        (
            KILLED,
            LIMITED,
            "killed by SIGKILL (signal 9): most likely its memory ran out, the limit is 64 MiB",
        ),
        (KILLED, Limits(), "killed by SIGKILL (signal 9): most likely the memory ran out"),
        ({"ExitCode": 139}, LIMITED, "killed by SIGSEGV (signal 11): a library crashed"),
        ({"ExitCode": 2}, LIMITED, "exit code 2: it refused its parameters or its data"),
    ],
)
def test_the_sentence(state: dict[str, Any], limits: Limits, sentence: str) -> None:
    exit_ = ended(state, limits, spoke=True, seconds=9)
    assert explain_exit(exit_) == sentence
    assert not exit_.ok


@pytest.mark.parametrize(("spoke", "seconds"), [(True, 0.1), (False, 9.0)])
def test_a_job_that_spoke_or_took_its_time_is_believed(spoke: bool, seconds: float) -> None:
    assert ended({"ExitCode": 0}, LIMITED, spoke, seconds).ok


def test_a_child_that_ran_out_of_memory_is_the_jobs_own_affair() -> None:
    assert ended({"ExitCode": 0, "OOMKilled": True}, LIMITED, spoke=True, seconds=9).ok


@pytest.mark.parametrize("code", [0, 1])
def test_silent_and_at_once(code: int) -> None:
    exit_ = ended({"ExitCode": code}, LIMITED, spoke=False, seconds=0.2)
    assert not exit_.ok
    assert f"it ended at once with exit code {code}, without a word" in exit_.reason


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('runc: exec: "x": executable file not found in $PATH', 127),
        ("crun: open executable: No such file or directory", 127),
        ("crun: open executable: Permission denied", 126),
    ],
)
def test_never_began(said: str, code: int) -> None:
    error = APIError("500", response=requests.Response(), explanation=said)
    exit_ = never_began(error, "x")
    assert (exit_.code, exit_.reason) == (code, f"the image cannot run 'x': {said}")
