"""Checkouts in which something is other than in this one."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.deploy.conftest import Operator
from tomobeam_deploy import age_keys
from tomobeam_deploy.templates import ROOT

# What a checkout keeps of the lab, of tools and of Debian.
KEPT = (".tools", "build/lab", "build/packages")


def in_a_checkout(operator: Operator, tree: Path, *changed: str) -> Operator:
    """The operator in a checkout of their own, made at `tree`, in which some files changed."""
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    (tree / "build").mkdir()
    for name in KEPT:
        (tree / name).symlink_to(ROOT / name)
    for name in changed:
        with (tree / name).open("a", encoding="utf-8") as file:
            file.write("# Changed.\n")
    variables = {
        "PYTHONPATH": f"{tree}/deploy:{tree}",
        age_keys.SECRETS_VARIABLE: str(age_keys.SECRETS),
    }
    return replace(operator, tree=tree, environment=operator.environment | variables)
