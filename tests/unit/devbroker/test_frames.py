"""Frames survive any cutting of the stream; anything else is refused and never loops or grows."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stomp.utils import Frame

from tomobeam_devbroker.frames import MAX_FRAME, Refused, dump, read_frame

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)
HEADERS = st.dictionaries(TEXT.filter(bool), TEXT, max_size=5).map(
    lambda h: {k: v for k, v in h.items() if k != "content-length"}
)
FRAMES = st.tuples(st.sampled_from(["SEND", "MESSAGE", "ACK"]), HEADERS, st.binary(max_size=300))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(p % (len(data) + 1) for p in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def frames_of(*pieces: bytes, frames: list[Frame] | None = None) -> list[Frame]:
    """The frames of a stream that arrives in pieces and ends; those before a wrong one in `frames`.

    Raises:
        Refused: as `read_frame`.
    """
    got = [] if frames is None else frames

    async def read(reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                frame = await read_frame(reader)
                got.extend([frame] if frame is not None else [])

    async def feed() -> None:
        reader = asyncio.StreamReader(limit=MAX_FRAME)
        reading = asyncio.create_task(read(reader))
        for piece in pieces:
            reader.feed_data(piece)
            await asyncio.sleep(0)
        reader.feed_eof()
        await reading

    asyncio.run(feed())
    return got


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cutting_gives_the_same_frames(frames, places):
    stream = b"\n".join(dump(*frame) for frame in frames)
    assert [(f.cmd, f.headers, f.body) for f in frames_of(*cut(stream, places))] == [
        (cmd, headers | ({"content-length": str(len(body))} if body else {}), body)
        for cmd, headers, body in frames
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_noise_is_refused_or_waited_for(pieces):
    frames: list[Frame] = []
    with suppress(Refused):
        frames_of(*pieces, frames=frames)
    assert all(frame.cmd for frame in frames)


MUTABLE = dump("SEND", {"destination": "/topic/a", "k": "v:w"}, b"body\0more")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(MUTABLE) - 1), st.integers(0, 255), st.booleans())
def test_one_wrong_byte_never_does_worse_than_a_refusal(at, byte, cut_there):
    data = MUTABLE[:at] + bytes([byte]) + (b"" if cut_there else MUTABLE[at + 1 :])
    frames: list[Frame] = []
    with suppress(Refused):
        frames_of(data + MUTABLE, frames=frames)
    for frame in frames:
        assert isinstance(frame.body, bytes)
        assert all(isinstance(v, str) for v in frame.headers.values())


def test_a_password_with_a_backslash_is_as_sent():
    (frame,) = frames_of(b"CONNECT\npasscode:a\\nb:c\\\n\n\0")
    assert frame.headers["passcode"] == "a\\nb:c\\"


def test_first_of_repeated_headers_counts():
    (frame,) = frames_of(b"SEND\na:1\na:2\n\n\0")
    assert frame.headers["a"] == "1"


@pytest.mark.parametrize("beats", [b"\n", b"\r\n\n\n"])
def test_heart_beats_are_no_frames(beats):
    assert frames_of(beats) == []
    assert [f.cmd for f in frames_of(beats + b"BEGIN\ntransaction:1\n\n\0" + beats)] == ["BEGIN"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"SEND\nnonsense\n\n\0", "header 1 of a frame is not name:value"),
        (b"SEND\na:\\t\n\n\0", "header 1 of a frame is not name:value"),
        (b"SEND\na:b\n\xff:c\n\n\0", "the headers of a frame are not UTF-8: invalid start byte"),
        (b"SEND\ncontent-length:-1\n\n\0", "content-length: not a number of bytes"),
        (b"SEND\ncontent-length:9x\n\n\0", "content-length: not a number of bytes"),
        (
            b"SEND\ncontent-length:1\n\nab\0",
            "content-length: the body does not end there with a NUL",
        ),
        (b"SEND\na:b\0", "a frame ended before its headers did"),
        (b"\0", "a frame ended before its headers did"),
        (b"SEND\n\n" + b"x" * MAX_FRAME, f"a frame is larger than {MAX_FRAME} bytes"),
        (
            f"SEND\ncontent-length:{MAX_FRAME}\n\n\0".encode(),
            f"a frame is larger than {MAX_FRAME} bytes",
        ),
    ],
)
def test_what_is_wrong_is_said(data, sentence):
    with pytest.raises(Refused) as caught:
        frames_of(data)
    assert str(caught.value) == sentence


def test_the_largest_frame_passes():
    body = b"x" * (MAX_FRAME - 100)
    (frame,) = frames_of(dump("SEND", {"destination": "/topic/a"}, body))
    assert frame.body == body
