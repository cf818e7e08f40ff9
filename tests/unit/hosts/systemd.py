"""A stand-in for systemd, and a start of a unit as far as it is recorded."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tomobeam_deploy.on_host import units
from tomobeam_deploy.renderers import systemd
from tomobeam_deploy.renderers.systemd import recording

UNIT = "tomobeam-x.service"
WELL = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "NeedDaemonReload": "no",
}


class Systemd:
    """Answers for systemd, and remembers what it was told."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.properties = dict(WELL)
        self.told: list[str] = []
        self.fails: set[str] = set()
        patch.setattr(units, "run", self.run)
        patch.setattr(units, "STARTED", folder / "started")

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if argv[0] == "journalctl":
            return subprocess.CompletedProcess(argv, 0, "the end of its log\n", "")
        if argv[1] == "show":
            names = argv[3].removeprefix("--property=").split(",")
            shown = "".join(f"{name}={self.properties[name]}\n" for name in names)
            return subprocess.CompletedProcess(argv, 0, shown, "")
        self.told.append(" ".join(argv[1:]))
        if argv[1] == "daemon-reload":
            self.properties["NeedDaemonReload"] = "no"
        failed = argv[1] in self.fails
        assert not (failed and check)
        return subprocess.CompletedProcess(argv, int(failed), "", "Job failed." if failed else "")


def start(folder: Path, files: tuple[Path, ...], links: tuple[Path, ...] = ()) -> None:
    """Run the very line of the unit that records what it is started with."""
    line = recording(UNIT, [str(file) for file in files], [str(link) for link in links])
    command = line.removeprefix("ExecStartPre=-+").replace(systemd.STARTED, f"{folder}/started")
    subprocess.run(shlex.split(command), check=False)
