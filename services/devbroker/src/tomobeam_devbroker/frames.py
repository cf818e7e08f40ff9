"""STOMP 1.1 and 1.2 frames: bytes to frames and back.

The parser is `stomp.utils.parse_frame` of stomp.py, the library that our clients use. Looked
at besides it: stompman 3.16 takes 200 times longer for a body of 1 MB, loses a header whose
value holds a colon and skips what it does not know, so that a sender would never hear of its
mistake; coilmq 1.1 raises on a frame that has not fully arrived. What stomp.py keeps to its
own sockets, finding where a frame ends, is done here, and so is refusing what it overlooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from stomp.utils import Frame, convert_frame, parse_frame

MAX_FRAME = 1024 * 1024
MAX_HEAD = 64 * 1024

_HEAD_END = re.compile(rb"\n\r?\n")
_HEADER = re.compile(rb"(?:[^\\:\n]|\\[rnc\\])++:(?:[^\\\n]|\\[rnc\\])*+")
_RAW_HEADER = re.compile(rb"[^:\n]+:[^\n]*")
_LENGTH = re.compile(rb"^content-length:[ ]*([^\n]*)$", re.MULTILINE)
_UNESCAPED = (b"CONNECT", b"STOMP", b"CONNECTED")
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", ":": "\\c", "\r": "\\r"})


class FrameError(ValueError):
    """What arrived is not STOMP, or more than is taken; the message says why."""


class FrameBuffer:
    """Cuts a stream of bytes into frames. Holds at most one unfinished frame."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._bytes = bytearray()
        self._head: bytes | None = None
        self._body_at = 0
        self._length: int | None = None
        self._searched = 0

    def __len__(self) -> int:
        """Bytes held of a frame that is not complete."""
        return len(self._bytes)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take more of the stream; yields every frame that is now complete.

        Raises:
            FrameError: the stream is not STOMP from here on; feed it no more.
        """
        self._bytes += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        if self._head is None and not self._take_head():
            return None
        end = self._body_end()
        if end is None:
            return None
        assert self._head is not None
        body = bytes(self._bytes[self._body_at : end])
        frame = parse_frame(self._head + b"\n\n" + body)
        del self._bytes[: end + 1]
        self._head, self._searched = None, 0
        return frame

    def _take_head(self) -> bool:
        """Find the command and the headers; False: they have not fully arrived."""
        # Line ends between frames are heart-beats.
        beats = len(self._bytes) - len(self._bytes.lstrip(b"\r\n"))
        del self._bytes[:beats]
        end = _HEAD_END.search(self._bytes, max(0, self._searched - 2), MAX_HEAD)
        if end is None:
            self._searched = len(self._bytes)
            if len(self._bytes) >= MAX_HEAD:
                raise FrameError(f"the headers of a frame are longer than {MAX_HEAD} bytes")
            if b"\0" in self._bytes:
                raise FrameError("a frame ended before its headers did")
            return False
        head = bytes(self._bytes[: end.start()]).replace(b"\r\n", b"\n").removesuffix(b"\r")
        self._head = _checked(head)
        self._body_at = self._searched = end.end()
        self._length = _content_length(head)
        if self._body_at + (self._length or 0) >= self._max_frame:
            raise FrameError(f"a frame is larger than {self._max_frame} bytes")
        return True

    def _body_end(self) -> int | None:
        """Where the body's closing NUL is; None: it has not arrived."""
        if self._length is None:
            end = self._bytes.find(b"\0", self._searched)
            self._searched = len(self._bytes)
            if end >= self._max_frame or (end < 0 and len(self._bytes) >= self._max_frame):
                raise FrameError(f"a frame is larger than {self._max_frame} bytes")
            return None if end < 0 else end
        end = self._body_at + self._length
        if len(self._bytes) <= end:
            return None
        if self._bytes[end] != 0:
            raise FrameError("content-length: the body does not end there with a NUL")
        return end


def _checked(head: bytes) -> bytes:
    """The head as `parse_frame` may have it, once it is sure to lose nothing of it."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FrameError(f"the headers of a frame are not UTF-8: {error.reason}") from error
    command, *lines = head.split(b"\n")
    # These alone are sent without escapes, so that older partners can read them.
    unescaped = command in _UNESCAPED
    pattern = _RAW_HEADER if unescaped else _HEADER
    for number, line in enumerate(lines, start=1):
        if not pattern.fullmatch(line):
            raise FrameError(f"header {number} of {_name(command)} is not name:value")
    return head.replace(b"\\", b"\\\\") if unescaped else head


def _content_length(head: bytes) -> int | None:
    found = _LENGTH.search(head)
    if found is None:
        return None
    text = found[1].strip()
    if not text.isdigit() or len(text) > 12:
        raise FrameError("content-length: not a number of bytes")
    return int(text)


def _name(command: bytes) -> str:
    text = command[:20].decode("utf-8", errors="replace")
    return text if text.isalpha() else "a frame"


def dump(command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The bytes of one frame; a body gets its `content-length`."""
    escape = command.encode() not in _UNESCAPED
    escaped = {
        (k.translate(_ESCAPES) if escape else k): (v.translate(_ESCAPES) if escape else v)
        for k, v in headers.items()
    }
    if body:
        escaped["content-length"] = str(len(body))
    return b"".join(convert_frame(Frame(command, escaped, body)))
