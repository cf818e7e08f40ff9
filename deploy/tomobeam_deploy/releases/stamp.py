"""Which state of the repository this is."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tomobeam_deploy.releases.release import read_project
from tomobeam_deploy.templates import ROOT


@dataclass(frozen=True)
class Stamp:
    """One state of the repository."""

    version: str
    commit: str | None
    """None: git does not know this tree, as in an unpacked archive"""
    changed: tuple[str, ...]
    """paths that differ from the commit, relative to the tree; a folder of new files ends in /"""


def tree_stamp(tree: Path = ROOT) -> Stamp:
    """The state that the tree is in now."""
    version = read_project(tree)["project"]["version"]
    known = _git(tree, "rev-parse", "--show-toplevel", "HEAD")
    listed = _git(tree, "status", "--porcelain", "-z", "--no-renames")
    top, _, commit = (known or "").strip().partition("\n")
    # A tree without git may lie in somebody's repository.
    if listed is None or Path(top) != tree.resolve():
        return Stamp(version, None, ())
    # Each entry is two letters, a space and a path.
    return Stamp(version, commit, tuple(entry[3:] for entry in listed.split("\0") if entry))


def _git(tree: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(tree), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout
