"""Exit codes and signals in words."""

from __future__ import annotations

import signal

from tomobeam_flows.launchers import Exit
from tomobeam_flows.launchers.keeper import EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND

_CODES = {
    2: "it refused its parameters or its data",
    EXIT_NOT_EXECUTABLE: "its command cannot be executed",
    EXIT_NOT_FOUND: "its command or the command's interpreter was not found",
}
_SIGNALS = {
    signal.SIGKILL: "most likely the memory ran out",
    signal.SIGSEGV: "a library crashed",
    signal.SIGBUS: "a library crashed, or a mapped file was cut short",
    signal.SIGABRT: "a library gave up",
    signal.SIGTERM: "somebody ended it",
    signal.SIGXCPU: "its processor time ran out",
    signal.SIGILL: "a library needs another processor",
}


def explain_exit(ended: Exit) -> str:
    """How a job ended, in words."""
    return ended.reason or _explain_code(ended.code)


def _explain_code(code: int) -> str:
    number = -code if code < 0 else code - 128 if code > 128 else 0
    try:
        received = signal.Signals(number) if number else None
    except ValueError:
        received = None
    if received is not None:
        reason = _SIGNALS.get(received)
        what = f"killed by {received.name} (signal {number})"
        return f"{what}: {reason}" if reason else what
    reason = _CODES.get(code)
    return f"exit code {code}: {reason}" if reason else f"exit code {code}"
