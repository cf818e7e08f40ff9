"""Runs the platform until Ctrl-C or SIGTERM, and ends everything then, whatever it was doing."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tomobeam_deploy.local.platform import LocalPlatform
from tomobeam_deploy.site import Site

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Told(BaseException):
    """A signal told us to end; no ordinary `except` may take it for an error."""


def _raise(_number: int, _frame: FrameType | None) -> None:
    # Once: a second signal would interrupt the ending.
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise Told


class Progress:
    """Says on stderr what starts, and how long it took."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, service: str, what: str) -> None:
        """One line."""
        with self._lock:
            sys.stderr.write(f"{time.monotonic() - self._begin:6.1f} s  {service:<16}{what}\n")
            sys.stderr.flush()


@contextmanager
def running_platform(site: Site) -> Iterator[LocalPlatform]:
    """The whole platform, up; a signal ends the block, and then every child.

    Raises:
        StartError: it does not start.
    """
    previous = {number: signal.signal(number, _raise) for number in ENDING}
    try:
        with LocalPlatform(site, report=Progress()) as platform:
            platform.up()
            yield platform
    except Told:
        return
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def wait_for_signal() -> None:
    """Wait until a signal ends the block of `running_platform`."""
    while True:
        signal.pause()
