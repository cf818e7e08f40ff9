"""The GPUs of this worker's containers: one job for each at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Gpus:
    """The free ones of some GPUs, by their CDI names; jobs get them in the order of asking."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._count = len(names)
        self._free: asyncio.Queue[str] = asyncio.Queue()
        for name in names:
            self._free.put_nowait(name)

    async def take(self, give_up: asyncio.Event, say: Callable[[str], None]) -> str | None:
        """Wait for a free GPU, and `say` so; None where the event came first."""
        if self._free.empty():
            say(f"Waiting for a free GPU: {self._count} here, all in use.")
        taken = asyncio.ensure_future(self._free.get())
        left = asyncio.ensure_future(give_up.wait())
        try:
            await asyncio.wait({taken, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            if not taken.done():
                taken.cancel()
        return taken.result() if taken.done() and not taken.cancelled() else None

    def give_back(self, name: str) -> None:
        """Let the next job have it."""
        self._free.put_nowait(name)
