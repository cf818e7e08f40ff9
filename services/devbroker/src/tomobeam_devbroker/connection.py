"""The outgoing half of a connection: frames, heart-beats, and a bound on what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LIMIT = 1024 * 1024
STALL_LIMIT_S = 60.0


class Outbox:
    """What waits to be sent. While `room` is not set, nothing that can wait is to be added."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._frames: list[tuple[bytes, str | None]] = []
        self._size = 0
        self._wake = asyncio.Event()
        self._ending = False
        self.room = asyncio.Event()
        self.room.set()
        self.beat_s: float | None = None

    def put(self, data: bytes, key: str | None = None) -> None:
        """Add a frame; its `key`, if any, is reported once it was sent."""
        self._frames.append((data, key))
        self._size += len(data)
        if self._size >= LIMIT:
            self.room.clear()
        self._wake.set()

    def end(self) -> None:
        """Let `send_all` return when everything was sent."""
        self._ending = True
        self._wake.set()

    async def send_all(self, sent: Callable[[list[str]], Awaitable[None]]) -> None:
        """Send what is added, and a heart-beat every `beat_s` where nothing is.

        Raises:
            OSError: the connection is lost, or the other side reads nothing for a minute.
        """
        while self._frames or not self._ending:
            try:
                async with asyncio.timeout(self.beat_s):
                    await self._wake.wait()
            except TimeoutError:
                self._writer.write(b"\n")
            self._wake.clear()
            frames, self._frames, self._size = self._frames, [], 0
            self._writer.writelines(data for data, _ in frames)
            async with asyncio.timeout(STALL_LIMIT_S):
                await self._writer.drain()
            self.room.set()
            await sent([key for _, key in frames if key is not None])
