"""Starts the supervisor in the background and waits until it has everything up."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from tomobeam_deploy.local.layout import Layout
from tomobeam_deploy.local.lock import SupervisorLock
from tomobeam_deploy.local.readiness import StartError

LIMIT_S = 900.0
POLL_S = 0.3


def start_in_background(layout: Layout, inventory: Path) -> None:
    """Start `tomobeam up` in a session of its own; its progress is shown here.

    Raises:
        StartError: it runs already, or it did not come up; the log says why.
    """
    layout.logs.mkdir(parents=True, exist_ok=True)
    lock = SupervisorLock(layout.lock)
    if pid := lock.holder():
        raise StartError(f"the platform runs already (process {pid}); stop it with: make down")
    log = layout.log("supervisor")
    layout.ready.unlink(missing_ok=True)
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "tomobeam_deploy.cli", "up", "--inventory", str(inventory)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with log.open("r", encoding="utf-8", errors="replace") as lines:
        _follow(supervisor, layout, lines)


def _follow(supervisor: subprocess.Popen[bytes], layout: Layout, lines: IO[str]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        ended = supervisor.poll() is not None
        sys.stderr.write(lines.read())
        sys.stderr.flush()
        if ended:
            raise StartError(f"the platform did not start; see {layout.log('supervisor')}")
        if layout.ready.exists():
            return
        if time.monotonic() > deadline:
            raise StartError(f"not up after {LIMIT_S:.0f} s; see {layout.log('supervisor')}")
        time.sleep(POLL_S)
