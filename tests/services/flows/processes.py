"""What the tests want to know of processes."""

from __future__ import annotations

import time
from pathlib import Path

import psutil


def pids(line: str) -> list[int]:
    """The processes that the program `work` names in its first line."""
    return [int(word) for word in line.split()[1:]]


def alive(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_gone(found: list[int], limit_s: float) -> float:
    """Wait until none of the processes lives; the seconds it took."""
    began = time.monotonic()
    while any(alive(pid) for pid in found):
        assert time.monotonic() - began < limit_s, f"{found} still live after {limit_s} s"
        time.sleep(0.05)
    return time.monotonic() - began


def shown_of(pid: int) -> str:
    """A process's environment and argument list, as `/proc` shows them."""
    folder = Path("/proc") / str(pid)
    return (folder / "environ").read_text() + (folder / "cmdline").read_text()
