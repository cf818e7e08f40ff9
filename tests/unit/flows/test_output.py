from __future__ import annotations

from tomobeam_flows.output import LONGEST_LINE, Flood, Lines, Tail, hide


def _lines(*chunks: bytes) -> list[str]:
    lines = Lines()
    found = [line for chunk in chunks for line in lines.feed(chunk)]
    return [*found, *lines.finish()]


def test_lines_across_chunks() -> None:
    assert _lines(b"one\ntw", b"o\nthree") == ["one", "two", "three"]


def test_a_progress_bar_leaves_its_last_state() -> None:
    assert _lines(b"10 %\r50 %\r100 %\ndone\r\n") == ["100 %", "done"]


def test_a_bar_without_end_does_not_fill_the_memory() -> None:
    lines = Lines()
    for i in range(5000):
        assert list(lines.feed(f"\r{i} of 5000".encode())) == []
    assert list(lines.finish()) == ["4999 of 5000"]


def test_broken_utf8_and_nul_are_shown() -> None:
    assert _lines(b"a\xff\0b\n") == ["a\ufffdb"]


def test_an_endless_line_is_cut() -> None:
    found = _lines(b"x" * (LONGEST_LINE * 3))
    assert max(len(line) for line in found) < LONGEST_LINE + 50


def test_a_flood_is_counted() -> None:
    now = 0.0
    flood = Flood(per_second=3, clock=lambda: now)
    assert [flood.admit() for _ in range(5)] == [True, True, True, False, False]
    assert flood.take_left_out() == 2
    now = 1.0
    assert flood.admit()
    assert flood.take_left_out() == 0


def test_the_tail_keeps_the_last_lines() -> None:
    tail = Tail()
    for i in range(40):
        tail.add(f"line {i}")
        tail.add(" ")
    assert str(tail).splitlines()[0] == "line 25"
    assert str(tail).splitlines()[-1] == "line 39"


def test_secrets_are_hidden() -> None:
    assert hide("key=abc123 and abc123", ["abc123"]) == "key=*** and ***"
