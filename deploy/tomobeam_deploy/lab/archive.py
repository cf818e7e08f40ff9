"""Archives of small files that are made in memory, for podman and mmdebstrap to unpack."""

from __future__ import annotations

import io
import tarfile
import time


class Archive:
    """A tar archive; nothing in it depends on this machine's users."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._now = int(time.time())
        self._tar = tarfile.TarFile(fileobj=self._buffer, mode="w")

    def file(self, path: str, content: bytes, mode: int = 0o644, owner: int = 0) -> None:
        """Add a file; `owner` is its uid and gid."""
        entry = self._entry(path, mode, owner)
        entry.size = len(content)
        self._tar.addfile(entry, io.BytesIO(content))

    def folder(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        """Add an empty folder."""
        entry = self._entry(path, mode, owner)
        entry.type = tarfile.DIRTYPE
        self._tar.addfile(entry)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        entry = self._entry(path, 0o777, 0)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def content(self) -> bytes:
        """The whole archive; nothing can be added any more."""
        self._tar.close()
        return self._buffer.getvalue()

    def _entry(self, path: str, mode: int, owner: int) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(path)
        entry.mode, entry.uid, entry.gid, entry.mtime = mode, owner, owner, self._now
        return entry
