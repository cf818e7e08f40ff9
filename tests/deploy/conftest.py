"""A lab and an operator on it: what the tests of a deployment share."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy.begun import Begun
from tomobeam_deploy.lab.machine import missing_packages
from tomobeam_deploy.lab.state import running_inventory
from tomobeam_deploy.site import Site
from tomobeam_deploy.templates import ROOT

BIN = Path(sys.executable).parent
LIMIT_S = 1500
INVENTORY = "inventories/lab"
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Operator:
    """Types what the documents say, with the lab of an inventory before them."""

    inventory: str
    environment: dict[str, str] = field(repr=False)
    tree: Path = ROOT
    """the checkout they are in"""

    @property
    def site(self) -> Site:
        return Site.load(self.tree / self.inventory)

    def run(
        self, line: str, *, ok: int | None = 0, typed: str = "", limit_s: float = LIMIT_S
    ) -> Done:
        """One command line; its exit code must be `ok` unless that is None.

        What is `typed` answers a question, as there is no terminal.
        """
        done = subprocess.run(
            shlex.split(line),
            cwd=self.tree,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_s,
            start_new_session=True,
        )
        said = f"{line}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        assert ok is None or done.returncode == ok, said
        return done

    @contextmanager
    def begun(self, line: str) -> Iterator[Begun]:
        """A command line that runs; what of it is left at the end is killed."""
        process = subprocess.Popen(
            shlex.split(line),
            cwd=self.tree,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        begun = Begun(line, process)
        try:
            yield begun
        finally:
            begun.kill()

    def deploy(self, *, ok: int | None = 0, more: str = "") -> Done:
        return self.run(self.deploying(more), ok=ok)

    def deploying(self, more: str = "") -> str:
        """The command line of a deploy."""
        return f"pyinfra {self.inventory} deploy/all.py -y {more}"

    def drift(self, *hosts: str) -> list[str]:
        """What differs on hosts, or on all of them: one line each."""
        limits = " ".join(f"--limit {host}" for host in hosts)
        done = self.run(f"tomobeam-site drift {self.inventory} {limits}", ok=None)
        return [*done.stdout.splitlines(), *done.stderr.splitlines()]

    def changes(self) -> dict[str, int]:
        """What another deploy changed, by operation."""
        done = self.deploy(more="--json")
        operations = json.loads(done.stdout)["results"]["operations"]
        return {each["name"]: each["success"] for each in operations if each["success"]}


def operator_of(inventory: str) -> Operator:
    """Somebody who knows the key of the lab's secrets; skips where no lab can run."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if (missing := missing_packages()) and "CI" not in os.environ:
        pytest.skip(f"the lab needs {' '.join(missing)}: make lab installs them")
    return Operator(inventory, {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"})


def knowing(operator: Operator) -> Operator:
    """The same with what `tomobeam-lab env` tells of the lab that runs."""
    exports = operator.run("tomobeam-lab env").stdout
    words = [line.removeprefix("export ") for line in exports.splitlines()]
    variables = dict(shlex.split(word)[0].split("=", 1) for word in words)
    return Operator(operator.inventory, operator.environment | variables)


def start(inventory: str) -> Operator:
    """A fresh lab from an inventory, with secrets."""
    bare = operator_of(inventory)
    bare.run(f"tomobeam-lab up {inventory}")
    operator = knowing(bare)
    operator.run(f"tomobeam-site secrets init {inventory}")
    operator.run(f"tomobeam-site secrets ensure {inventory}")
    return operator


@pytest.fixture(scope="module")
def bare() -> Operator:
    """Six bare hosts of the lab's own inventory."""
    return start(INVENTORY)


@pytest.fixture(scope="module")
def platform() -> Operator:
    """The same hosts with everything deployed."""
    return deployed(INVENTORY)


def deployed(inventory: str, prepare: Callable[[Operator], None] = lambda _: None) -> Operator:
    """Hosts with everything deployed: those that run, where one deploy brings them there.

    Others, and those that an earlier test left in a bad state, are started afresh; `prepare` does
    what their keepers do before anything is deployed.
    """
    operator = operator_of(inventory)
    of_ours = running_inventory() == ROOT / inventory
    if of_ours and operator.run("tomobeam-lab status", ok=None).returncode == 0:
        operator = knowing(operator)
        if not operator.drift():
            return operator
        if operator.deploy(ok=None).returncode == 0 and not operator.drift():
            return operator
    operator = start(inventory)
    prepare(operator)
    operator.deploy()
    assert operator.drift() == []
    return operator
