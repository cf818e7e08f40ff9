"""The first half, on a reconstruction host: a tiny scan reaches the file store and is announced.

It calls the commands that the site's own programs call. The scan folder has one name and is
written anew each time, so that one node of Tiled is brought up to date and nothing grows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tomobeam_canary.hops import CanaryFault, taking
from tomobeam_canary.settings import SendSettings
from tomobeam_contracts.canary import Hop, scan_name
from tomobeam_contracts.destinations import CANARY

SPECIMEN = ("beads", "--size", "64", "--height", "8", "--angles", "91")


def send(settings: SendSettings) -> None:
    """Make, reconstruct and announce a scan.

    Raises:
        CanaryFault, OSError: a hop failed; it was reported.
    """
    scan_folder = settings.canary_store / CANARY
    limit_s = settings.canary_hop_limit_s
    with taking(Hop.RECONSTRUCT) as taken:
        _reconstruct(scan_folder, limit_s)
        process_file, images = _content(scan_folder)
        taken.said = f"{len(images)} slices"
    with taking(Hop.NOTIFY) as taken:
        scan = scan_name(datetime.now(UTC))
        _call(
            limit_s,
            *("tomobeam-notify", str(process_file), "--scan", scan),
            *("--count", str(len(images)), "--producer", CANARY),
        )
        taken.scan, taken.said = scan, scan


def _reconstruct(scan_folder: Path, limit_s: float) -> None:
    # Hidden, so that an ingester that looks through the store leaves it out.
    work = scan_folder.with_name(f".{CANARY}")
    if work.exists():
        shutil.rmtree(work)
    work.mkdir()
    try:
        with tempfile.TemporaryDirectory() as folder:
            projections = Path(folder, f"{CANARY}.h5")
            kind, *options = SPECIMEN
            _call(limit_s, "tomobeam-specimen", kind, str(projections), *options)
            _call(limit_s, "tomobeam-reconstruct", str(projections), str(work / "new"))
        (made,) = (work / "new").iterdir()
        if scan_folder.exists():
            scan_folder.rename(work / "old")
        made.rename(scan_folder)
    finally:
        shutil.rmtree(work)


def _content(scan_folder: Path) -> tuple[Path, list[Path]]:
    """The process file, and the images."""
    (process_file,) = scan_folder.glob("*_processed.nxs")
    return process_file, list(scan_folder.glob("*/*.tif*"))


def _call(limit_s: float, program: str, *arguments: str) -> None:
    """Run a program that was installed beside this one."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise CanaryFault(f"{program} is not done after {limit_s:.0f} s") from error
    except FileNotFoundError as error:
        raise CanaryFault(f"{program} is not installed beside {sys.executable}") from error
    if done.returncode:
        raise CanaryFault(f"{program}: {(done.stderr or done.stdout).strip()[-500:]}")
