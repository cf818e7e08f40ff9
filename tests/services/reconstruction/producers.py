"""Programs run as a producer would run them, and a reader of what they send."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.services.broker.clients import Client
from tests.support.platform import Platform
from tomobeam_contracts.destinations import BROKER_INGESTER, BROKER_PRODUCER, INGEST_QUEUE, queue

LIMIT_S = 60


@dataclass(frozen=True)
class Producer:
    """The environment of a reconstruction host, and its commands."""

    platform: Platform
    folder: Path

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    def start(self, program: str, *arguments: object, **settings: str) -> subprocess.Popen[str]:
        variables = {
            **os.environ,
            **self.platform.client_environment(),
            "TOMOBEAM_NOTIFY_SPOOL": str(self.spool),
            "TOMOBEAM_NOTIFY_TRIES": "2",
            "TOMOBEAM_NOTIFY_PAUSE_S": "0.05",
            **settings,
        }
        command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
        return subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, program: str, *arguments: object, **settings: str) -> tuple[int, str]:
        """Exit code and what it said."""
        process = self.start(program, *arguments, **settings)
        out, error = process.communicate(timeout=LIMIT_S)
        return process.returncode, out + error

    def scan(self, name: str) -> Path:
        """A process file as another program would leave it."""
        path = self.folder / f"{name}_processed.nxs"
        path.touch()
        return path


def consumer(platform: Platform) -> Client:
    """Someone who reads the ingester's queue."""
    passwords = {
        name: platform.secret(f"broker-{name}") for name in (BROKER_INGESTER, BROKER_PRODUCER)
    }
    there: Any = SimpleNamespace(port=platform.port("broker"), passwords=passwords)
    client = Client.ingester(there)
    client.subscribe(queue(INGEST_QUEUE), ack="auto")
    return client
