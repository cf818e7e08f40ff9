"""The two brokers of the conformance suite, started the way that the platform starts them."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from time import monotonic, sleep

import jinja2
import pytest

from tomobeam_contracts import destinations
from tomobeam_contracts.destinations import BROKER_INGESTER, BROKER_PRODUCER

TEMPLATES = Path(__file__).parents[3] / "templates"
ACTIVEMQ_HOME = Path("/usr/share/activemq")
ACTIVEMQ_TEMPLATES = "activemq/etc/activemq/instances-available/tomobeam"
START_LIMIT_S = 120
STOP_LIMIT_S = 60

REDELIVERIES = 2
# The least that ActiveMQ takes.
REDELIVERY_MS = 1000


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Broker(ABC):
    """A broker in a folder of its own, that can be killed and started again."""

    kind: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.passwords = {
            BROKER_PRODUCER: secrets.token_urlsafe(18),
            BROKER_INGESTER: secrets.token_urlsafe(18),
        }
        self.log = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]: ...

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

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

    def _end(self, number: int) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOP_LIMIT_S)


class Devbroker(Broker):
    kind = "devbroker"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings: dict[str, str] = {}

    def command(self) -> list[str]:
        return [str(Path(sys.executable).with_name("tomobeam-devbroker"))]

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "TOMOBEAM_BROKER_PORT": str(self.port),
            "TOMOBEAM_BROKER_DATABASE": str(self.folder / "broker.sqlite"),
            "TOMOBEAM_BROKER_PRODUCER_PASSWORD": self.passwords[BROKER_PRODUCER],
            "TOMOBEAM_BROKER_INGESTER_PASSWORD": self.passwords[BROKER_INGESTER],
            "TOMOBEAM_BROKER_REDELIVERIES": str(REDELIVERIES),
            "TOMOBEAM_BROKER_REDELIVERY_S": str(REDELIVERY_MS / 1000),
            **self.settings,
        }


class ActiveMQ(Broker):
    kind = "activemq"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name in ("activemq.xml", "log4j.properties", "credentials.properties"):
            self._render(name)

    def _render(self, name: str) -> None:
        templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
        )
        text = templates.get_template(f"{ACTIVEMQ_TEMPLATES}/{name}.j2").render(
            address="127.0.0.1",
            port=self.port,
            destinations=destinations,
            redeliveries=REDELIVERIES,
            redelivery_ms=REDELIVERY_MS,
            passwords={
                "producer": self.passwords[BROKER_PRODUCER],
                "ingester": self.passwords[BROKER_INGESTER],
            },
        )
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)

    def command(self) -> list[str]:
        return [
            "java",
            "-Xms64m",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            f"-Dactivemq.home={ACTIVEMQ_HOME}",
            f"-Dactivemq.base={self.folder}",
            f"-Dactivemq.conf={self.folder}",
            f"-Dactivemq.data={self.folder / 'data'}",
            f"-Dlog4j.configuration=file:{self.folder / 'log4j.properties'}",
            "-jar",
            str(ACTIVEMQ_HOME / "bin" / "activemq.jar"),
            "start",
            f"xbean:file:{self.folder / 'activemq.xml'}",
        ]


KINDS: dict[str, type[Broker]] = {"devbroker": Devbroker, "activemq": ActiveMQ}


def make(kind: str, folder: Path) -> Broker:
    """A broker that is not started yet; skips the test where it is not installed."""
    if kind == "activemq" and not ACTIVEMQ_HOME.is_dir():
        pytest.skip(f"activemq: {ACTIVEMQ_HOME} is missing (apt-get install activemq)")
    return KINDS[kind](folder)
