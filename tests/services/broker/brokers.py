"""The two brokers of the conformance suite, started the way that the platform starts them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import ClassVar

import pytest

from roles.activemq import service as activemq_role
from roles.devbroker import service as devbroker_role
from tomobeam_contracts.destinations import BROKER_INGESTER, BROKER_PRODUCER
from tomobeam_deploy.secrets import ensure_secrets, read_secret, secret_names
from tomobeam_deploy.service import Placement, Service, place
from tomobeam_deploy.site import Ports, Site
from tomobeam_deploy.templates import ROOT, render

ACTIVEMQ_HOME = Path(activemq_role.HOME)
START_LIMIT_S = 120
STOP_LIMIT_S = 60

REDELIVERIES = 2
# The least that ActiveMQ takes.
REDELIVERY_MS = 1000


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Broker:
    """A broker in a folder of its own, that can be killed and started again."""

    kind: str
    service: Service
    values: ClassVar[dict[str, object]] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "broker.log"
        self.settings: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        secrets = folder / "secrets"
        ensure_secrets(secrets, secret_names(self.service))
        self.passwords = {
            user: read_secret(secrets, f"broker-{user}")
            for user in (BROKER_PRODUCER, BROKER_INGESTER)
        }
        self.placed = place(
            self.service,
            Placement(
                site=self.site(),
                bin=Path(sys.executable).parent,
                config=folder / "config",
                state=folder / "state",
                secrets=secrets,
                values=self.values,
            ),
        )
        for path in (folder / "config", folder / "state"):
            path.mkdir()
        for template, name in self.service.files.items():
            (folder / "config" / name).write_text(render(template, self.placed))

    def site(self) -> Site:
        """One machine, with the broker on this one's port."""
        site = Site.load(ROOT / "inventories" / "local")
        return site.model_copy(update={"ports": Ports(broker=self.port)})

    def command(self) -> list[str]:
        return list(self.placed.argv)

    def environment(self) -> dict[str, str]:
        return os.environ | self.placed.environment | self.settings

    def start(self) -> None:
        """Start it and wait until its port accepts."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                env=self.environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        end = monotonic() + START_LIMIT_S
        while True:
            if self._process.poll() is not None:
                pytest.fail(f"{self.kind} ended at its start:\n{self.tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                if monotonic() > end:
                    pytest.fail(f"{self.kind} does not listen:\n{self.tail()}")
                sleep(0.05)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator does; its exit code."""
        return self._end(signal.SIGTERM)

    def ended(self) -> int:
        """Wait until it ends; its exit code."""
        assert self._process is not None
        return self._process.wait(STOP_LIMIT_S)

    def _end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self.ended()


class Devbroker(Broker):
    kind = "devbroker"
    service = devbroker_role.SERVICE

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = {
            "TOMOBEAM_BROKER_REDELIVERIES": str(REDELIVERIES),
            "TOMOBEAM_BROKER_REDELIVERY_S": str(REDELIVERY_MS / 1000),
        }


class ActiveMQ(Broker):
    kind = "activemq"
    service = activemq_role.SERVICE
    values: ClassVar[dict[str, object]] = {
        "redeliveries": REDELIVERIES,
        "redelivery_ms": REDELIVERY_MS,
    }


KINDS: dict[str, type[Broker]] = {"devbroker": Devbroker, "activemq": ActiveMQ}


def make(kind: str, folder: Path) -> Broker:
    """A broker that is not started yet; skips the test where it is not installed."""
    if kind == "activemq" and not ACTIVEMQ_HOME.is_dir():
        pytest.skip(f"activemq: {ACTIVEMQ_HOME} is missing (apt-get install activemq)")
    return KINDS[kind](folder)
