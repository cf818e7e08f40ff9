"""Archives that are unpacked."""

from __future__ import annotations

from pathlib import Path

from tomobeam_deploy.on_host.resource import Resource
from tomobeam_deploy.on_host.running import Fault, run, said


class Bundle(Resource):
    """An archive that was unpacked, after which `marker` is there."""

    marker: str
    script: str
    """shell that reads the archive from its standard input; only where it is to be put right"""
    upload: str
    """where the archive is; only where it is to be put right"""

    def differences(self) -> list[str]:
        """That it was not."""
        return [] if Path(self.marker).exists() else ["is not there"]

    def put_right(self) -> None:
        """Unpack what was uploaded."""
        upload = Path(self.upload)
        with upload.open("rb") as archive:
            # So the disk gets its space back once it was read, even if this program is killed.
            upload.unlink()
            done = run("sh", "-c", self.script, stdin=archive, check=False)
        if done.returncode:
            raise Fault(f"is not unpacked: {said(done)}")
        if self.differences():
            raise Fault(f"was unpacked, but {self.marker} is not there")
