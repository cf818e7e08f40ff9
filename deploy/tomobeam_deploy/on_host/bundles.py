"""Archives that are unpacked."""

from __future__ import annotations

import os
from pathlib import Path

from tomobeam_deploy.on_host.files import remove_tree
from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault, run, said


class Bundle(Resource):
    """An archive that was unpacked, after which `marker` is there."""

    marker: str
    home: str
    """the folder of all that ever was unpacked of it; "": it has none of its own"""
    script: str
    """shell that reads the archive from its standard input; only for putting right"""
    upload: str
    """where the archive is; only for putting right"""

    def differences(self) -> list[str]:
        """That it was not."""
        return [] if Path(self.marker).exists() else ["is not there"]

    def put_right(self) -> None:
        """Unpack what was uploaded, if the disk has room for it."""
        unpack(self.upload, self.script, Path(self.marker).parent)
        if self.differences():
            raise Fault(f"was unpacked, but {self.marker} is not there")

    def remains(self) -> bool:
        """Whether anything ever unpacked is there."""
        return bool(self.home) and Path(self.home).exists()

    def take_away(self) -> None:
        """Remove all of it."""
        remove_tree(self.home)


def unpack(upload: str, script: str, into: Path | None = None) -> None:
    """Have a script read an upload, whose place on the disk is free once it was read.

    It is seen beforehand that `into` has room for an archive that is not compressed.
    """
    path = Path(upload)
    with path.open("rb") as archive:
        # At once, so that it does not stay if this program is killed.
        path.unlink()
        if into:
            _see_that_it_fits(os.fstat(archive.fileno()).st_size, into)
        done = run("sh", "-c", script, stdin=archive, check=False)
    if done.returncode:
        raise Fault(f"is not unpacked: {said(done)}")


def _see_that_it_fits(needed: int, folder: Path) -> None:
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    disk = os.statvfs(there)
    free = disk.f_bavail * disk.f_frsize
    if needed > free:
        raise Fault(
            f"needs {needed >> 20} MiB, but the disk of {there} has {free >> 20} MiB free; "
            "make room there"
        )
