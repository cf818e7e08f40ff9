"""How a container ended, from what the runtime says of it."""

from __future__ import annotations

import signal
from typing import Any

from docker.errors import APIError

from tomobeam_contracts.launchers import Limits
from tomobeam_flows.launchers import Exit
from tomobeam_flows.launchers.container_runtime import words
from tomobeam_flows.launchers.keeper import EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND

# No job can have done anything sooner than this without a word.
AT_ONCE_S = 1.0
KILLED = 128 + signal.SIGKILL
# How runtimes say that the image lacks the command.
_NOT_FOUND = ("not found", "no such file")


def ended(state: dict[str, Any], limits: Limits, spoke: bool, seconds: float) -> Exit:
    """How a container ended that was begun: its `State`, and whether it printed anything."""
    code = int(state["ExitCode"])
    memory = f"{limits.memory_mib} MiB" if limits.memory_mib else "the host's"
    if code and state.get("OOMKilled"):
        return Exit(code, f"its memory ran out, the limit is {memory}")
    if code == KILLED and limits.memory_mib:
        # With control groups of version 1, runtimes often miss why.
        likely = f"most likely its memory ran out, the limit is {memory}"
        return Exit(code, f"killed by SIGKILL (signal 9): {likely}")
    if not spoke and seconds < AT_ONCE_S and code < 128:
        return Exit(code, f"it ended at once with exit code {code}, without a word: wrong image?")
    return Exit(code)


def never_began(error: APIError, program: str) -> Exit:
    """How a job ended whose container the runtime could not start."""
    said = words(error)
    missing = any(sign in said.lower() for sign in _NOT_FOUND)
    code = EXIT_NOT_FOUND if missing else EXIT_NOT_EXECUTABLE
    return Exit(code, f"the image cannot run {program!r}: {said}")
