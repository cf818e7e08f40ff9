"""Hosts for pyinfra that are all this very machine, by its connector `@fake`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine

from tomobeam_deploy.hosts.operations import put_right
from tomobeam_deploy.hosts.resources import Resource

Steps = Sequence[Sequence[Resource]]
Answer = Callable[[str, bool, list[str], list[str]], tuple[bool, list[str], list[str]]]


@dataclass
class Fleet:
    """Runs what hosts are told; `answers` may replace what one says, by its name."""

    executed: list[tuple[str, str]] = field(default_factory=list)
    """host and what it was to do, in order"""
    commands: list[str] = field(default_factory=list)
    """the commands as everybody can read them"""
    orders: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    def execute(self, host: Host, command: str, stdin: str) -> tuple[bool, list[str], list[str]]:
        orders = json.loads(stdin)
        name = host.name.removeprefix("@fake/")
        self.executed.append((name, orders["do"]))
        self.commands.append(command)
        self.orders.append(orders)
        done = subprocess.run(
            ["sh", "-c", command], input=stdin, capture_output=True, text=True, check=False
        )
        said = done.returncode == 0, done.stdout.splitlines(), done.stderr.splitlines()
        return self.answers[name](orders["do"], *said) if name in self.answers else said

    def deploy(self, steps: Mapping[str, Steps], *, plan: bool = False, dry: bool = False) -> State:
        """One run of pyinfra, in which each host has steps of its own."""
        data = {"fake_delay": 0, "fake_delay_jitter": 0}
        inventory = Inventory(([f"@fake/{name}" for name in steps], data))
        state = State(inventory, Config(), check_for_changes=plan or dry)
        connect_all(state)
        for host in inventory:
            mine = steps[host.name.removeprefix("@fake/")]
            everything = [resource for step in mine for resource in step]
            for number, step in enumerate(mine):
                arguments = {"resources": step, "everything": everything}
                add_op(state, put_right, name=f"step {number}", host=host, **arguments)
        if not dry:
            run_ops(state)
        return state

    def fail_to_deploy(self, steps: Mapping[str, Steps]) -> None:
        """A run in which no host is left."""
        with pytest.raises(PyinfraError, match="No hosts remaining"):
            self.deploy(steps)


@contextmanager
def fleet_of_this_machine() -> Iterator[Fleet]:
    """Let the connector `@fake` run what it is told."""
    fleet = Fleet()

    def run(connector: FakeConnector, command: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
        [stdin] = arguments["_stdin"]
        ok, out, err = fleet.execute(connector.host, command.get_raw_value(), stdin)
        lines = [OutputLine("stdout", each) for each in out]
        return ok, CommandOutput(lines + [OutputLine("stderr", each) for each in err])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeConnector, "run_shell_command", run)
        yield fleet


def failed(state: State) -> list[str]:
    """The hosts that failed."""
    return sorted(host.name.removeprefix("@fake/") for host in state.failed_hosts)


def changed(state: State) -> list[tuple[str, int]]:
    """How many operations would change each host, by the plan."""
    return [(h.name.removeprefix("@fake/"), meta.ops_change) for h, meta in state.meta.items()]
