"""A folder of files that may be lost, bounded in bytes: the least recently used go first."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from tempfile import NamedTemporaryFile

from tomobeam_common import logs

TRIM_TO = 0.9
log = logs.get(__name__)


class DiskCache:
    """Files below one folder; several processes may share it."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._written = max_bytes  # Look at the disk before the first file is written.

    def folder(self, name: str) -> Path:
        """A subfolder, which need not exist."""
        return self._root / name

    def write(self, path: Path, data: bytes) -> None:
        """Keep `data`, replacing what was there; a full disk is logged, not raised."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
                file.write(data)
            Path(file.name).replace(path)
        except OSError as error:
            log.warning("cache of views: cannot write", path=str(path), error=str(error))
            return
        self._trim(len(data))

    def _trim(self, added: int) -> None:
        """Remove the oldest files once the bound is passed.

        The disk is looked at only when this process has written a twentieth of the bound.
        """
        with self._lock:
            self._written += added
            if self._written < self._max_bytes // 20:
                return
            self._written = 0
            files = []
            for folder, _, names in os.walk(self._root):
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        path = Path(folder, name)
                        status = path.stat()
                        files.append((status.st_mtime, status.st_size, path))
            used = sum(size for _, size, _ in files)
            if used <= self._max_bytes:
                return
            for _, size, path in sorted(files):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                used -= size
                if used <= self._max_bytes * TRIM_TO:
                    return
