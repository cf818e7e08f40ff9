"""One supervisor for one data folder."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path
from typing import IO

from tomobeam_deploy.local.readiness import StartError

DOWN_LIMIT_S = 60.0


class SupervisorLock:
    """An advisory lock that ends with its process, whatever ended it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take it.

        Raises:
            StartError: another supervisor holds it; names its process.
        """
        file = self.path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip()
            file.close()
            raise StartError(
                f"the platform runs already for {self.path.parent} (process {pid}); "
                "stop it with: make down"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    @property
    def held(self) -> bool:
        """Whether this process holds it."""
        return self._file is not None

    def release(self) -> None:
        """Give it back."""
        if self._file:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def holder(self) -> int | None:
        """The process id of the supervisor that holds it."""
        if not self.path.exists():
            return None
        with self.path.open("r", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                return int(text) if text else None
        return None


def end_supervisor(lock: SupervisorLock) -> bool:
    """Ask the supervisor that holds `lock` to stop everything, and wait until it has.

    Returns:
        Whether one was running.

    Raises:
        StartError: it does not end.
    """
    pid = lock.holder()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_LIMIT_S
    while lock.holder() is not None:
        if time.monotonic() > deadline:
            raise StartError(f"the supervisor (process {pid}) does not end")
        time.sleep(0.1)
    return True
