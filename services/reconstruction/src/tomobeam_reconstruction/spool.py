"""Messages that could not be sent yet, one file each, in order."""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"(?P<number>\d{10})-[0-9a-f]{32}\.json")


class Spool:
    """A folder that several processes may use at once.

    A message's file appears whole or not at all; its name begins with its number in the order.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing.

        Raises:
            OSError: it cannot be made.
        """
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, body: str) -> Path:
        """Keep a message behind all others; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written; nothing of it is left.
        """
        with self._locked(".order"):
            waiting = self.waiting()
            number = int(waiting[-1].name[:10]) + 1 if waiting else 1
            final = self.folder / f"{number:010d}-{uuid.uuid4().hex}.json"
            part = final.with_suffix(".part")
            try:
                with part.open("w", encoding="utf-8") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                part.rename(final)
            finally:
                part.unlink(missing_ok=True)
        return final

    def waiting(self) -> list[Path]:
        """The messages in order."""
        return sorted(p for p in self.folder.iterdir() if _NAME.fullmatch(p.name))

    def set_aside(self, message: Path) -> Path:
        """Take a message that no one can understand out of the order; keep it for a person."""
        aside = message.with_suffix(".bad")
        message.rename(aside)
        return aside

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Hold the right to send: one process at a time, or the order would be lost."""
        with self._locked(".sending"):
            yield

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        # For reading is enough to lock, and all that the members of a shared spool's group may.
        lock = os.open(self.folder / f"{name}.lock", os.O_RDONLY | os.O_CREAT, 0o660)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
