"""The socket of one client: frames and heart-beats, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from stomp.utils import Frame

from tomobeam_devbroker.frames import read_frame

CONNECT_LIMIT_S = 30.0
STALL_LIMIT_S = 60.0
LINGER_S = 0.5


class Connection:
    """Reads and sends frames. The heart-beats are off until a login has asked for them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._outbox: asyncio.Queue[tuple[bytes, Callable[[], None] | None]] = asyncio.Queue()
        self.peer = str(writer.get_extra_info("peername"))
        self.beat_s: float | None = None
        self.receive_within_s: float | None = CONNECT_LIMIT_S

    def put(self, data: bytes, sent: Callable[[], None] | None = None) -> None:
        """Have a frame sent; `sent` is called afterwards. An empty one is the last."""
        self._outbox.put_nowait((data, sent))

    async def send_all(self) -> None:
        """Send what is put, and a heart-beat every `beat_s` where nothing is.

        Raises:
            OSError: the connection is lost, or the other side reads nothing for a minute.
        """
        while True:
            data, sent = b"\n", None
            with suppress(TimeoutError):
                async with asyncio.timeout(self.beat_s):
                    data, sent = await self._outbox.get()
            if not data:
                return
            self._writer.write(data)
            async with asyncio.timeout(STALL_LIMIT_S):
                await self._writer.drain()
            if sent is not None:
                sent()

    async def receive(self) -> Frame:
        """The next frame.

        Raises:
            FrameError: what comes is not STOMP.
            asyncio.IncompleteReadError: the other side closed the connection.
            OSError: the connection is lost, or silent for longer than `receive_within_s`.
        """
        frame = None
        while frame is None:
            # Who does not read the answers gets to ask for no more.
            await self._writer.drain()
            async with asyncio.timeout(self.receive_within_s):
                frame = await read_frame(self._reader)
        return frame

    async def linger(self) -> None:
        """Read on for a moment: closing on unread bytes would take the ERROR from the client."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await self._reader.read(64 * 1024):
                    pass

    def close(self) -> None:
        """Close the socket after what was sent has left."""
        self._writer.close()

    def abort(self) -> None:
        """Close the socket at once."""
        self._writer.transport.abort()
