"""From a producer's path to ours: the prefix map, and the roots that bound it."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from tomobeam_ingester.outcome import Reason, Refused, StoreAway

STALE = frozenset(
    {errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN, errno.ENODEV}
    | {errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EREMOTEIO}
)


def passing_fault(error: OSError, path: Path) -> StoreAway | Refused | None:
    """What may pass by itself: the store's fault, or a file that is gone since it was listed.

    None where the file itself is at fault.
    """
    if error.errno in STALE:
        return StoreAway(f"the file store does not answer for {path}: {error.strerror}")
    if error.errno == errno.ENOENT:
        return Refused(Reason.INCOMPLETE, f"{path} vanished while it was looked at")
    return None


class Roots:
    """The folders that may be read, and the map from producers' prefixes to ours."""

    def __init__(self, roots: Sequence[Path], path_map: Mapping[str, str]) -> None:
        self.roots = [Path(posixpath.normpath(root)) for root in roots]
        self._map = sorted(
            ((_normal(theirs), _normal(ours)) for theirs, ours in path_map.items()),
            key=lambda pair: -len(pair[0]),
        )

    def translate(self, file_path: str) -> Path:
        """The producer's path as this host names it, before any look at the file system.

        Raises:
            Refused: not an absolute path, or outside the roots.
        """
        if "\0" in file_path or not file_path.startswith("/"):
            raise Refused(
                Reason.BAD_MESSAGE, f"filePath: not an absolute path: {file_path[:200]!r}"
            )
        path = _normal(file_path)
        for theirs, ours in self._map:
            if path == theirs or path.startswith(theirs.rstrip("/") + "/"):
                path = _normal(ours + "/" + path[len(theirs) :])
                break
        if not any(_within(Path(path), root) for root in self.roots):
            raise self._outside(file_path, path)
        return Path(path)

    def locate(self, path: Path) -> Path:
        """`path` with its symbolic links resolved, named by the root that holds it.

        Tiled compares names with its readable storage, so the name keeps the root's own.

        Raises:
            Refused: the links lead outside the roots, or the name is impossible.
            StoreAway: the root is not there.
        """
        root = next((root for root in self.roots if _within(path, root)), None)
        if root is None:
            raise self._outside(str(path), str(path))
        self.check_mounted(root)
        try:
            real = path.resolve()
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) and (passing := passing_fault(error, path)):
                raise passing from error
            raise Refused(Reason.UNREADABLE, f"{path}: {error}") from error
        for candidate in (root, *self.roots):
            real_root = candidate.resolve()
            if _within(real, real_root):
                return candidate / real.relative_to(real_root)
        raise self._outside(str(path), str(real))

    def check_mounted(self, root: Path) -> None:
        """A root that is absent or empty is a store that is not mounted.

        Raises:
            StoreAway
        """
        try:
            empty = next(root.iterdir(), None) is None
        except OSError as error:
            raise StoreAway(f"the file store is away: {root}: {error.strerror}") from error
        if empty:
            raise StoreAway(f"the file store is away: {root} is empty")

    def _outside(self, named: str, path: str) -> Refused:
        roots = ", ".join(str(root) for root in self.roots)
        here = "" if named == path else f" (here {path})"
        return Refused(
            Reason.OUTSIDE_ROOTS, f"{named}{here} lies outside the readable roots {roots}"
        )


def _normal(path: str) -> str:
    # POSIX keeps exactly two leading slashes, which Savu writes.
    return posixpath.normpath("/" + path.lstrip("/"))


def _within(path: Path, root: Path) -> bool:
    return path == root or root in path.parents
