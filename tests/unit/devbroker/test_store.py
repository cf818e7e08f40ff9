"""The database keeps what it said it keeps, all of a change or nothing, and stays small."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tomobeam_devbroker.store import WAL_LIMIT, Message, Store, StoreError, delete, insert, postpone

LIMIT = 1 << 30
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path) -> Path:
    folder = tmp_path / "100% a?b #c"
    folder.mkdir()
    return folder / "broker.sqlite"


def kept(store: Store) -> list[int]:
    return [row for row, _, _ in store.rows()]


async def test_what_was_written_is_there_again(path):
    store = Store(path, LIMIT)
    rows = [store.new_row() for _ in range(3)]
    await store.write([insert(r, "/queue/a", Message({"k": "µ"}, b"\0\xff")) for r in rows])
    await store.write([delete(rows[0]), postpone(rows[1], 2, 99.0)])
    await store.close()
    store = Store(path, LIMIT)
    assert list(store.rows()) == [(rows[1], "/queue/a", 99.0), (rows[2], "/queue/a", 0.0)]
    assert store.read(rows[1]) == Message({"k": "µ"}, b"\0\xff", redeliveries=2)
    assert store.read(rows[0]) is None
    assert store.new_row() > rows[2]
    await store.close()


async def test_a_change_is_whole_or_not_at_all_and_others_go_on(path):
    store = Store(path, LIMIT)
    twice, fine = store.new_row(), store.new_row()
    message = Message({}, b"x")
    bad = store.write([insert(twice, "/queue/a", message), insert(twice, "/queue/a", message)])
    good = store.write([insert(fine, "/queue/a", message)])
    results = await asyncio.gather(bad, good, return_exceptions=True)
    assert isinstance(results[0], StoreError)
    assert results[1] is None
    assert kept(store) == [fine]
    await store.close()


async def test_a_full_store_refuses_and_still_forgets(path):
    store = Store(path, 256 * 1024)
    rows, big = [], Message({}, b"x" * 32_768)

    async def fill() -> None:
        while True:
            row = store.new_row()
            await store.write([insert(row, "/queue/a", big)])
            rows.append(row)

    with pytest.raises(StoreError, match="full"):
        await fill()
    await store.write([delete(row) for row in rows])
    await store.write([insert(store.new_row(), "/queue/a", big)])
    await store.close()


async def test_forgotten_messages_leave_no_file_behind(path):
    store = Store(path, LIMIT)
    for _ in range(8):
        rows = [store.new_row() for _ in range(50)]
        await store.write([insert(r, "/queue/a", Message({}, b"x" * 100_000)) for r in rows])
        await store.write([delete(r) for r in rows])
    wal = path.with_name(path.name + "-wal")
    assert wal.stat().st_size <= WAL_LIMIT * 2
    await store.shrink()
    assert path.stat().st_size < 1_000_000
    assert wal.stat().st_size == 0
    await store.close()


async def test_a_second_broker_is_kept_out(path):
    store = Store(path, LIMIT)
    with pytest.raises(StoreError, match="another broker has it open"):
        Store(path, LIMIT)
    await store.close()
    await Store(path, LIMIT).close()


def test_what_is_no_database_is_named(path):
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"broker\.sqlite: file is not a database"):
        Store(path, LIMIT)
    with pytest.raises(StoreError, match="No such file or directory"):
        Store(path.parent / "nowhere" / "x", LIMIT)
