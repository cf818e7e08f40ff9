"""Paths, messages, notes, the board, and patience."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tomobeam_contracts.scan import ScanReady
from tomobeam_ingester.board import Board, Busy
from tomobeam_ingester.broker import Delivery
from tomobeam_ingester.job import Job, Patience
from tomobeam_ingester.message import merge, read_message
from tomobeam_ingester.notes import Notes
from tomobeam_ingester.outcome import NotYet, PartnerAway, Reason, Refused
from tomobeam_ingester.paths import Roots
from tomobeam_ingester.settings import IngesterSettings

ROOTS = Roots([Path("/srv/recons")], {"/dls/i12": "/srv/recons/i12", "/dls": "/srv/recons/other"})


@pytest.mark.parametrize(
    ("named", "here"),
    [
        ("//dls/i12/a/x.nxs", "/srv/recons/i12/a/x.nxs"),
        ("/dls/i13/b", "/srv/recons/other/i13/b"),
        ("/srv/recons//c/./d/", "/srv/recons/c/d"),
        ("/dls/i12", "/srv/recons/i12"),
        ("/dls/i124", "/srv/recons/other/i124"),
    ],
)
def test_paths_are_translated_by_the_longest_prefix(named: str, here: str) -> None:
    assert ROOTS.translate(named) == Path(here)


@pytest.mark.parametrize("named", ["/dls/../etc/passwd", "/srv/recons2/a", "/", "/srv/recons/.."])
def test_paths_outside_the_roots_are_refused(named: str) -> None:
    with pytest.raises(Refused, match="outside the readable roots /srv/recons") as caught:
        ROOTS.translate(named)
    assert caught.value.reason is Reason.OUTSIDE_ROOTS


@pytest.mark.parametrize("named", ["a/b", "/a\0b", "file:///a"])
def test_names_that_are_no_path_are_refused(named: str) -> None:
    with pytest.raises(Refused, match="not an absolute path"):
        ROOTS.translate(named)


def test_deeply_nested_json_is_refused() -> None:
    with pytest.raises(Refused):
        read_message(b"[" * 60_000, 65536)


def test_later_message_wins_where_it_says_something() -> None:
    first = ScanReady(filePath="/a", imageCount=3, proposal="cm1")
    second = ScanReady(filePath="/a", proposal="cm2")
    assert merge(first, second) == ScanReady(filePath="/a", imageCount=3, proposal="cm2")


def test_reason_is_one_short_line() -> None:
    assert Refused(Reason.UNREADABLE, "a\nb\r\n " + "c" * 900).header.startswith(
        "unreadable: a b c"
    )
    assert len(Refused(Reason.UNREADABLE, "c" * 900).header) == 500


def test_notes_outlive_a_restart(tmp_path: Path) -> None:
    Notes(tmp_path).since("/a", 17.0)
    assert Notes(tmp_path).since("/a", 99.0) == 17.0
    notes = Notes(tmp_path)
    notes.forget("/a")
    assert json.loads((tmp_path / "waiting.json").read_text()) == {}
    (tmp_path / "waiting.json").write_text("{broken")
    assert Notes(tmp_path).since("/a", 99.0) == 99.0


def delivery(message_id: str) -> Delivery:
    link: Any = None
    return Delivery(link, f"ack-{message_id}", message_id, b"{}", {})


def job(key: str = "/a") -> Job:
    return Job(key, Path(key), message=ScanReady(filePath=key))


def test_messages_of_one_path_are_one_job() -> None:
    board = Board()
    board.put(job(), delivery("1"))
    board.put(job(), delivery("2"))
    taken = board.take()
    assert taken is not None
    assert list(taken.deliveries) == ["1", "2"]
    assert len(board.jobs()) == 1


def test_redelivered_message_is_answered_by_the_work_in_hand() -> None:
    board = Board()
    first, again, new = delivery("1"), delivery("1"), delivery("2")
    board.put(job(), first)
    taken = board.take()
    assert taken is not None
    board.put(job(), again)
    assert board.done(taken, [first]) == [again]
    assert board.jobs() == []
    board.put(job(), first)
    taken = board.take()
    assert taken is not None
    board.put(job(), new)
    assert board.done(taken, [first]) == []
    repeated = board.take()
    assert repeated is not None
    assert list(repeated.deliveries) == ["2"]


def test_a_source_has_one_worker() -> None:
    board = Board()
    board.put(job("/a"), delivery("1"))
    board.put(job("/b"), delivery("2"))
    first, second = board.take(), board.take()
    assert first is not None
    assert second is not None
    with board.source("/stack", first):
        with pytest.raises(Busy), board.source("/stack", second):
            raise AssertionError
        assert second.running
    assert board.take() is second


def test_partner_that_comes_back_wakes_everybody() -> None:
    board = Board()
    board.put(job("/a"), delivery("1"))
    first = board.take()
    assert first is not None
    away = PartnerAway("tiled", "gone")
    first.away = away
    board.hold(away, time.time() + 3600)
    board.again(first, time.time() + 3600)
    board.put(job("/b"), delivery("2"))
    got: list[str] = []

    def work() -> None:
        while (one := board.take()) is not None:
            got.append(one.key)

    thread = threading.Thread(target=work)
    thread.start()
    board.release("tiled")
    deadline = time.monotonic() + 20
    while len(got) < 2 and time.monotonic() < deadline:
        thread.join(0.01)
    board.close()
    thread.join(20)
    assert sorted(got) == ["/a", "/b"]


def test_patience_ends_with_the_setting_named() -> None:
    patience = Patience(1.0, incomplete_limit_s=100.0, missing_limit_s=10.0, retry_limit_s=30.0)
    wait = NotYet(Refused(Reason.NO_SUCH_PATH, "/a does not exist"))
    one = job()
    assert patience.given_up(one, wait, since=1000.0, now=1009.0) is None
    given_up = patience.given_up(one, wait, since=1000.0, now=1011.0)
    assert given_up is not None
    assert "TOMOBEAM_INGESTER_MISSING_LIMIT_S" in given_up.sentence
    one.sightings.last_change = 1005.0
    assert patience.given_up(one, wait, since=1000.0, now=1011.0) is None
    assert patience.next_attempt(50, 0.0) == 30.0


def test_settings_are_read_as_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("abc\n")
    for name, value in {
        "READABLE_ROOTS": '["/srv/recons"]',
        "PATH_MAP": '{"/dls": "/srv/recons"}',
        "TILED_URL": "http://127.0.0.1:8000",
        "TILED_API_KEY_FILE": str(key),
        "INGESTER_STATE": str(tmp_path),
        "INGESTER_PORT": "0",
    }.items():
        monkeypatch.setenv(f"TOMOBEAM_{name}", value)
    settings = IngesterSettings.load()
    assert settings.path_map == {"/dls": "/srv/recons"}
    assert settings.tiled_api_key.get_secret_value() == "abc"
