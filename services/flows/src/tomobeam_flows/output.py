"""A job's output: bytes into lines, secrets out, floods bounded, the tail kept."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

LONGEST_LINE = 8192
TAIL_LINES = 15
HIDDEN = "***"


class Lines:
    """Splits a stream into lines as a terminal would show them.

    A carriage return starts the line anew, so that of a progress bar its last state is left.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that `data` completes."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        for line in complete:
            yield _shown(line)
        if len(self._rest) > LONGEST_LINE:
            bar = self._rest.rfind(b"\r") + 1
            if bar:
                self._rest = self._rest[bar - 1 :]
        if len(self._rest) > LONGEST_LINE:
            yield _shown(self._rest)
            self._rest = b""

    def finish(self) -> Iterator[str]:
        """The last line, where it has no end."""
        if self._rest:
            yield _shown(self._rest)
            self._rest = b""


def _shown(line: bytes) -> str:
    text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace").replace("\0", "")
    if len(text) > LONGEST_LINE:
        text = f"{text[:LONGEST_LINE]} … ({len(text)} characters)"
    return text.rstrip()


class Flood:
    """Lets so many lines a second through and counts the rest."""

    def __init__(self, per_second: int = 500, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = per_second
        self._clock = clock
        self._second = 0
        self._passed = 0
        self.left_out = 0

    def admit(self) -> bool:
        """Whether the next line may pass; counts it otherwise."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._passed = second, 0
        self._passed += 1
        if self._passed <= self._limit:
            return True
        self.left_out += 1
        return False

    def take_left_out(self) -> int:
        """How many lines were left out since this was last asked."""
        count, self.left_out = self.left_out, 0
        return count


class Tail:
    """The last lines, for the message of a failed run."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)

    def add(self, line: str) -> None:
        """Keep a line."""
        if line.strip():
            self._lines.append(line[:500])

    def __str__(self) -> str:
        return "\n".join(self._lines)


def hide(text: str, secrets: list[str]) -> str:
    """`text` without the secrets, should a job print them."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
