"""A lab and an operator on it: what the tests of a deployment share."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tomobeam_deploy.lab.machine import missing_packages
from tomobeam_deploy.site import Site
from tomobeam_deploy.templates import ROOT

BIN = Path(sys.executable).parent
LIMIT_S = 1500
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Operator:
    """Types what the documents say, with the lab of an inventory before them."""

    inventory: str
    environment: dict[str, str] = field(repr=False)

    @property
    def site(self) -> Site:
        return Site.load(ROOT / self.inventory)

    def run(self, line: str, *, ok: int | None = 0, limit_s: float = LIMIT_S) -> Done:
        """One command line; its exit code must be `ok` unless that is None."""
        done = subprocess.run(
            shlex.split(line),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
        )
        said = f"{line}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        assert ok is None or done.returncode == ok, said
        return done

    def deploy(self, *, ok: int | None = 0, more: str = "") -> Done:
        return self.run(f"pyinfra {self.inventory} deploy/all.py -y {more}", ok=ok)

    def changes(self) -> dict[str, int]:
        """What another deploy changed, by operation."""
        done = self.deploy(more="--json")
        operations = json.loads(done.stdout)["results"]["operations"]
        return {each["name"]: each["success"] for each in operations if each["success"]}


def start(inventory: str) -> Operator:
    """A fresh lab from an inventory, with secrets."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if (missing := missing_packages()) and "CI" not in os.environ:
        pytest.skip(f"the lab needs {' '.join(missing)}: make lab installs them")
    path = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    bare = Operator(inventory, path)
    bare.run(f"tomobeam-lab up {inventory}")
    exports = bare.run("tomobeam-lab env").stdout
    words = [line.removeprefix("export ") for line in exports.splitlines()]
    variables = dict(shlex.split(word)[0].split("=", 1) for word in words)
    operator = Operator(inventory, path | variables)
    operator.run(f"tomobeam-site secrets init {inventory}")
    operator.run(f"tomobeam-site secrets ensure {inventory}")
    return operator


@pytest.fixture(scope="module")
def bare() -> Operator:
    """Six bare hosts of the lab's own inventory."""
    return start("inventories/lab")
