"""Finding the stacks that arrived while nobody listened: a bounded walk, no inotify."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from tomobeam_common import logs
from tomobeam_ingester.outcome import NotYet, Refused, StoreAway
from tomobeam_ingester.paths import Roots
from tomobeam_ingester.register import Registrar
from tomobeam_ingester.resolve import HTTOMO_FOLDER, PROCESSED, SAVU_FOLDER, resolve, survey
from tomobeam_ingester.stacks import tiff, zarr
from tomobeam_ingester.stacks.forms import Candidate, Survey

log = logs.get(__name__)


@dataclass(frozen=True)
class Bounds:
    """How far a scan goes."""

    depth: int
    folders: int
    exclude: Sequence[str]


@dataclass
class Found:
    """What one scan came upon."""

    folders: int = 0
    stacks: int = 0
    known: int = 0
    new: list[Path] = field(default_factory=list)
    cut_short: bool = False


class CatchUp:
    """Looks below the roots for what is not in Tiled."""

    def __init__(self, roots: Roots, registrar: Registrar, bounds: Bounds) -> None:
        self._roots, self._registrar, self._bounds = roots, registrar, bounds
        self._settled: dict[Path, Survey] = {}
        self._seen: dict[Path, tuple[Path, Survey]] = {}

    def scan(self) -> Found:
        """List the paths whose stacks are not in Tiled, or are there with fewer images.

        Raises:
            PartnerAway: Tiled cannot be asked.
        """
        found = Found()
        for root in self._roots.roots:
            try:
                self._roots.check_mounted(root)
                for path in self._walk(root, 0, found):
                    self._consider(path, found)
            except (StoreAway, OSError) as error:
                log.warning("root_not_scanned", root=str(root), why=str(error))
        log.info("scanned", folders=found.folders, stacks=found.stacks, new=len(found.new))
        return found

    def refused(self, path: Path) -> None:
        """Do not offer `path` again before it changes."""
        if path in self._seen:
            identity, seen = self._seen[path]
            self._settled[identity] = seen

    def _consider(self, path: Path, found: Found) -> None:
        try:
            candidate = resolve(path, self._roots)[0]
            seen = survey(candidate)
        except (NotYet, Refused) as error:
            log.debug("not_a_stack", path=str(path), why=str(error))
            return
        found.stacks += 1
        if self._settled.get(candidate.path) == seen or self._in_tiled(candidate, seen):
            self._settled[candidate.path] = seen
            found.known += 1
            return
        self._seen[path] = (candidate.path, seen)
        found.new.append(path)

    def _in_tiled(self, candidate: Candidate, seen: Survey) -> bool:
        node = self._registrar.known(str(candidate.path))
        if node is None:
            return False
        grown = node.shape is not None and seen.count is not None and seen.count > node.shape[0]
        return not grown

    def _walk(self, folder: Path, depth: int, found: Found) -> Iterator[Path]:
        found.folders += 1
        if found.folders > self._bounds.folders:
            if not found.cut_short:
                log.warning("scan_cut_short", folders=self._bounds.folders)
            found.cut_short = True
            return
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        files = [entry.name for entry in listed if entry.is_file()]
        folders = [entry.name for entry in listed if entry.is_dir() and not self._left_out(entry)]
        yield from self._stacks_in(folder, files, folders)
        if depth >= self._bounds.depth:
            return
        for name in folders:
            if not (SAVU_FOLDER.match(name) or HTTOMO_FOLDER.match(name)):
                yield from self._enter(folder / name, depth + 1, found, folders)

    def _enter(self, path: Path, depth: int, found: Found, beside: list[str]) -> Iterator[Path]:
        if not zarr.is_zarr(path):
            yield from self._walk(path, depth, found)
        elif path.stem not in beside:
            # ALS writes the same volume twice: as rec<name>/ and as rec<name>.zarr.
            yield path

    def _stacks_in(self, folder: Path, files: list[str], folders: list[str]) -> Iterator[Path]:
        processed = [folder / name for name in files if name.endswith(PROCESSED)]
        savers = [folder / name for name in folders if SAVU_FOLDER.match(name)]
        httomo = [folder / name for name in folders if HTTOMO_FOLDER.match(name)]
        if savers:
            yield processed[0] if len(processed) == 1 else folder
        elif httomo:
            yield from httomo
        elif sum(tiff.is_tiff(name) for name in files) > 1:
            yield folder
        else:
            yield from processed

    def _left_out(self, entry: os.DirEntry[str]) -> bool:
        if entry.is_symlink():
            return True  # What it points to is found where it is, or is outside.
        return any(fnmatch(entry.name, pattern) for pattern in self._bounds.exclude)
