"""Runs one job and sees to it that none of its processes outlives it or the worker.

Started by the worker as `python -I keeper.py GRACE CPUS COMMAND...`, where CPUS are numbers with
commas, or nothing for all; needs only the standard library, so that it starts in some 20 ms.
Orphans of the job become its children (Linux's child subreaper), so that also what left the job's
session is found. Standard input is the worker's pipe: a byte means cancel, its end means that the
worker is dead.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LEFTOVER_GRACE_S = 1.0
POLL_MS = 50
EXIT_NOT_FOUND = 127
EXIT_NOT_EXECUTABLE = 126

# The worker speaks through the pipe; a terminal's Ctrl-C is for the worker.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _before_exec() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)  # What is ignored stays so across exec.
    # Should the keeper itself be killed, its job goes at once.
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def descendants(root: int) -> list[int]:
    """Every living process below `root`, from `/proc`."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, UnicodeDecodeError):
            continue  # It ended meanwhile.
        if fields[0] != "Z":
            parents[int(entry.name)] = int(fields[1])
    below: list[int] = []
    level = {root}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level}
        below.extend(level)
    return below


class Keeper:
    """The parent of one job."""

    def __init__(self, grace_s: float, command: list[str]) -> None:
        self.grace_s = grace_s
        self.wakeup, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.job = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_before_exec,  # noqa: PLW1509 - this process has one thread
        )
        self.status: int | None = None

    def reap(self) -> None:
        """Collect every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.job.pid:
                self.status = os.waitstatus_to_exitcode(status)

    def run(self) -> int:
        """Wait for the job, a cancellation or the worker's death; the job's exit code."""
        poll = select.poll()
        poll.register(self.wakeup, select.POLLIN)
        poll.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
        grace = LEFTOVER_GRACE_S
        self.reap()
        while self.status is None:
            for fd, _ in poll.poll():
                if fd == self.wakeup:
                    os.read(self.wakeup, 4096)
                    self.reap()
                    continue
                grace = self.grace_s
                self.end(grace)
        self.end(grace)
        return self.status

    def end(self, grace_s: float) -> None:
        """End every descendant: SIGTERM, the grace period, then SIGKILL until none is left."""
        deadline = time.monotonic() + grace_s
        asked: set[int] = set()
        while True:
            self.reap()
            living = descendants(os.getpid())
            if not living:
                self.reap()
                return
            overdue = time.monotonic() >= deadline
            for pid in living:
                if overdue or pid not in asked:
                    asked.add(pid)
                    try:
                        os.kill(pid, signal.SIGKILL if overdue else signal.SIGTERM)
                    except ProcessLookupError:
                        continue
            wake = select.poll()
            wake.register(self.wakeup, select.POLLIN)
            if wake.poll(POLL_MS):
                os.read(self.wakeup, 4096)


def main() -> None:
    """Run the command of the argument list; end as it ended."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    grace_s, cpus, *command = sys.argv[1:]
    try:
        if cpus:
            os.sched_setaffinity(0, map(int, cpus.split(",")))
        keeper = Keeper(float(grace_s), command)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        missing = isinstance(error, FileNotFoundError)
        sys.exit(EXIT_NOT_FOUND if missing else EXIT_NOT_EXECUTABLE)
    status = keeper.run()
    sys.stdout.flush()
    if status >= 0:
        os._exit(status)
    signal.set_wakeup_fd(-1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    number = -status
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


if __name__ == "__main__":
    main()
