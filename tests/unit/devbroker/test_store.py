"""The database keeps what it said it keeps, a turn of the loop whole or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tomobeam_devbroker.store import Message, Store, StoreError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path) -> Path:
    folder = tmp_path / "100% a?b #c"
    folder.mkdir()
    return folder / "broker.sqlite"


def fatal(error: StoreError) -> None:
    raise error


async def on_disk(store: Store) -> None:
    done = asyncio.Event()
    store.then(done.set)
    await done.wait()


async def test_what_was_written_is_there_again(path):
    store = Store(path, fatal)
    rows = [store.insert("/queue/a", Message({"k": "µ"}, b"\0\xff")) for _ in range(3)]
    await on_disk(store)
    store.delete(rows[0])
    store.update(rows[1], "/queue/b", 2, 99.0)
    store.close()
    store = Store(path, fatal)
    assert store.found == [(rows[1], "/queue/b", 99.0), (rows[2], "/queue/a", 0.0)]
    assert store.read(rows[1]) == Message({"k": "µ"}, b"\0\xff", redeliveries=2)
    assert store.insert("/queue/a", Message({}, b"")) > rows[2]
    store.close()


async def test_a_turn_is_whole_or_not_at_all_and_then_nothing_is_answered(path):
    failures, answers = [], []
    store = Store(path, failures.append)
    store.insert("/queue/a", Message({}, b"kept"))
    store.then(answers.append, "kept")
    await on_disk(store)
    store.insert("/queue/a", Message({}, b"whole"))
    nobody: Any = None
    store.insert("/queue/a", Message({}, nobody))
    store.then(answers.append, "never")
    store.close()
    assert answers == ["kept"]
    assert ["NOT NULL constraint failed" in str(e) and str(path) in str(e) for e in failures] == [
        True
    ]
    store = Store(path, fatal)
    assert [store.read(row).body for row, _, _ in store.found] == [b"kept"]
    store.close()


async def test_a_second_broker_is_kept_out(path):
    store = Store(path, fatal)
    with pytest.raises(StoreError, match="database is locked"):
        Store(path, fatal)
    store.close()
    Store(path, fatal).close()


def test_what_is_no_database_is_named(path):
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"broker\.sqlite: file is not a database"):
        Store(path, fatal)
    with pytest.raises(StoreError, match="unable to open database file"):
        Store(path.parent / "nowhere" / "x", fatal)
