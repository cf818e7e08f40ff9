"""What the tests want to know of processes."""

from __future__ import annotations

import os
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
    """Wait until none of the processes lives; the seconds it took.

    The limit is that of a machine with a processor to spare, and longer on a busy one.
    """
    began = time.monotonic()
    limit_s *= max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    while any(alive(pid) for pid in found):
        assert time.monotonic() - began < limit_s, f"{found} still live after {limit_s} s"
        time.sleep(0.05)
    return time.monotonic() - began


def shown_of(pid: int) -> str:
    """A process's environment and argument list, as `/proc` shows them."""
    folder = Path("/proc") / str(pid)
    return (folder / "environ").read_text() + (folder / "cmdline").read_text()
