"""One supervised child: started, watched, restarted with backoff, ended with all it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from enum import StrEnum
from pathlib import Path

from tomobeam_deploy.renderers.child import ChildCommand

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
CALM_S = 60.0
END_LIMIT_S = 15.0
LOG_LIMIT_BYTES = 10 << 20


class ChildState(StrEnum):
    """What a child is doing."""

    STOPPED = "stopped"
    RUNNING = "running"
    WAITING = "waiting to restart"


class Child:
    """Keeps one command running in a thread of its own until it is told to stop.

    The thread that starts a process also waits for it: the kernel ends a child when the
    *thread* that started it is gone (PR_SET_PDEATHSIG).
    """

    def __init__(self, name: str, command: ChildCommand, log: Path) -> None:
        self.name = name
        self.log = log
        self.restarts = 0
        self.exit_code: int | None = None
        self.state = ChildState.STOPPED
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start it; nothing happens if it runs already."""
        if self._thread and self._thread.is_alive():
            return
        self._stopping.clear()
        self.restarts, self.exit_code = 0, None
        self.state = ChildState.RUNNING
        self._thread = threading.Thread(target=self._keep_running, name=f"keep-{self.name}")
        self._thread.start()

    def stop(self) -> None:
        """End it and everything in its process group: SIGTERM, then SIGKILL."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process and process.poll() is None:
            _signal_group(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_LIMIT_S)
            _signal_group(process, signal.SIGKILL)
        if self._thread:
            self._thread.join()
        self.state = ChildState.STOPPED

    def kill(self) -> None:
        """End it at once and for good, as a power cut would."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process and process.poll() is None:
            # Only the process itself: what it leaves behind is part of what a kill tests.
            process.kill()
        if self._thread:
            self._thread.join()
        self.state = ChildState.STOPPED

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        with self._lock:
            process = self._process
        return process.pid if process and process.poll() is None else None

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            self.state = ChildState.RUNNING
            calm = threading.Timer(CALM_S, self._forget_restarts)
            calm.daemon = True
            calm.start()
            self.exit_code = self._run_once()
            calm.cancel()
            if self._stopping.is_set():
                break
            self.state = ChildState.WAITING
            delay = BACKOFF_S[min(self.restarts, len(BACKOFF_S) - 1)]
            self.restarts += 1
            self._stopping.wait(delay)
        self.state = ChildState.STOPPED

    def _forget_restarts(self) -> None:
        self.restarts = 0

    def _run_once(self) -> int:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        rotate(self.log)
        with self.log.open("ab") as log:
            with self._lock:
                if self._stopping.is_set():
                    return 0
                self._process = process = subprocess.Popen(
                    self._command.argv,
                    cwd=self._command.folder,
                    env=dict(self._command.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            code = process.wait()
        _signal_group(process, signal.SIGKILL)
        return code


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def rotate(log: Path, limit: int = LOG_LIMIT_BYTES) -> None:
    """Put a log that has grown past `limit` bytes aside; one older one is kept."""
    if log.exists() and log.stat().st_size > limit:
        log.replace(log.with_suffix(log.suffix + ".1"))


def run_once(command: ChildCommand, log: Path) -> int:
    """Run a command to its end with its output appended to `log`; its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.run(
            command.argv,
            cwd=command.folder,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not log.exists():
        return "(it wrote nothing)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64_000))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
