"""One worker, one folder: a lock that dies with its holder."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


class WorkerInUse(RuntimeError):
    """Another process holds this worker's name and folder."""


def lock(state: Path) -> IO[str]:
    """Hold the worker's folder until the file is closed or the process ends.

    Raises:
        WorkerInUse: another process holds it.
        OSError: the folder cannot be made.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = (state / "lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise WorkerInUse(
            f"TOMOBEAM_WORKER_STATE: another worker runs in {state}; "
            "each needs a folder and a name of its own"
        ) from error
    return file
