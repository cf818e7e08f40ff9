"""Runs a program of the platform from its first healthy answer to SIGTERM."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.waiting import wait_for

START_LIMIT_S = 240
STOP_LIMIT_S = 40


@contextmanager
def running(
    argv: tuple[str, ...], environment: Mapping[str, str], log: Path, health: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, once the address `health` answers."""
    with log.open("ab") as file:
        process = subprocess.Popen(argv, env=environment, stdout=file, stderr=file)
    try:
        wait_for(lambda: process.poll() is not None or is_well(health), health, START_LIMIT_S)
        assert process.poll() is None, log.read_text()[-3000:]
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_LIMIT_S)


def is_well(url: str) -> bool:
    """Whether the address answers, and that it is well."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
