"""Waits for something to become true, and says what did not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(condition: Callable[[], Any], what: str, limit_s: float = 60.0) -> Any:
    """Ask `condition` until it is true.

    Returns:
        Its first true value.

    Raises:
        AssertionError: it stays false for `limit_s` seconds.
    """
    deadline = time.monotonic() + limit_s
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit_s:.0f} s in vain for {what}")
        time.sleep(0.05)
