"""A folder for programs that read secrets from files: it lies in memory, on no disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Where Linux has memory for everybody, as a file system.
MEMORY = Path("/dev/shm")
MOUNTS = Path("/proc/self/mounts")


class NoMemoryError(RuntimeError):
    """There is no file system in memory; the message says how to have one."""


@contextmanager
def folder_in_memory(prefix: str) -> Iterator[Path]:
    """A new folder, which only its owner may enter; it is gone in the end.

    Raises:
        NoMemoryError: it would lie on a disk.
    """
    if not _is_in_memory(MEMORY):
        raise NoMemoryError(
            f"{MEMORY} is no tmpfs here, and secrets are not written to a disk; "
            f"mount it by: mount -t tmpfs -o mode=1777 tmpfs {MEMORY}"
        )
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir=MEMORY, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def _is_in_memory(folder: Path) -> bool:
    if not MOUNTS.exists():
        return False
    mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8").splitlines()]
    # Of several at one place the last is what is seen.
    kinds = [kind for _, place, kind, *_ in mounts if place == str(folder)]
    return kinds[-1:] == ["tmpfs"]
