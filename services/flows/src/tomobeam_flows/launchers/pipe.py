"""A job's output from a pipe, and the write end for launchers that fill it from a thread."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import AsyncIterator
from typing import Any

from tomobeam_flows.output import Lines

# What is left to read once nothing of the job lives any more.
DRAIN_S = 2.0
FULL_POLL_MS = 500


async def lines_of(output: int, end: asyncio.Future[Any]) -> AsyncIterator[str]:
    """The lines from the read end `output` of a pipe, until it is closed or the job's `end`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", 0)
    )
    lines = Lines()
    try:
        while True:
            read = asyncio.ensure_future(reader.read(1 << 16))
            await asyncio.wait({read, end}, return_when=asyncio.FIRST_COMPLETED)
            if not read.done():
                await asyncio.wait({read}, timeout=DRAIN_S)
            if not read.done():
                read.cancel()
                break  # Somebody outside the job holds its pipe open.
            data = read.result()
            if not data:
                break
            for line in lines.feed(data):
                yield line
        for line in lines.finish():
            yield line
    finally:
        transport.close()


class Output:
    """A pipe that a thread fills: a reader that lags holds the thread back, but not for ever."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._write_end, False)
        self._given_up = threading.Event()

    def write(self, data: bytes) -> None:
        """Hand `data` on; waits for room, unless nobody reads any more."""
        poll = select.poll()
        poll.register(self._write_end, select.POLLOUT)
        rest = memoryview(data)
        while rest:
            if poll.poll(FULL_POLL_MS):
                try:
                    rest = rest[os.write(self._write_end, rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return
            elif self._given_up.is_set():
                return

    def give_up(self) -> None:
        """From now on, wait for no reader that lags."""
        self._given_up.set()

    def close(self) -> None:
        """End the output."""
        os.close(self._write_end)
