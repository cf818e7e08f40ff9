"""What the ingester remembers over a restart: since when it waits for which path."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

from tomobeam_common import logs
from tomobeam_ingester.outcome import DiskFull

log = logs.get(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Notes:
    """A small JSON file in the state folder, replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        """Read what an earlier run noted.

        Raises:
            OSError: the folder cannot be made or read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "waiting.json"
        self._lock = threading.Lock()
        self._since: dict[str, float] = self._read()

    def _read(self) -> dict[str, float]:
        try:
            noted = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(path): float(since) for path, since in noted.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            # Losing it only lets a stack wait longer before it is given up.
            log.warning("notes_unreadable", path=str(self._path), error=str(error))
            return {}

    def since(self, path: str, now: float) -> float:
        """Since when `path` is waited for; noted as `now` if it is new.

        Raises:
            DiskFull
        """
        with self._lock:
            if path not in self._since:
                self._since[path] = now
                try:
                    self._write()
                except DiskFull:
                    del self._since[path]
                    raise
            return self._since[path]

    def forget(self, path: str) -> None:
        """`path` is answered.

        Raises:
            DiskFull
        """
        with self._lock:
            if self._since.pop(path, None) is not None:
                self._write()

    def check(self) -> None:
        """Write the file again, to see whether there is space.

        Raises:
            DiskFull
        """
        with self._lock:
            self._write()

    def _write(self) -> None:
        part = self._path.with_suffix(".part")
        try:
            with part.open("w", encoding="utf-8") as file:
                json.dump(self._since, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError as error:
            part.unlink(missing_ok=True)
            if error.errno in _FULL:
                raise DiskFull(
                    "disk", f"no space left for our notes in {self._path.parent}"
                ) from error
            raise
