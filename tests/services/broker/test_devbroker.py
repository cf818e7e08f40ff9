"""What the embedded broker promises besides: its own limits, and words for its operator."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator

import psutil
import pytest
import stomp.exception

from tests.services.broker.brokers import Devbroker
from tests.services.broker.clients import Bare, Client
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    BROKER_PRODUCER,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)

TOPIC, QUEUE = topic(SCAN_TOPIC), queue(INGEST_QUEUE)
START_LIMIT_S = 60


@pytest.fixture
def stopped(tmp_path) -> Devbroker:
    return Devbroker(tmp_path)


@pytest.fixture
def running(stopped) -> Iterator[Devbroker]:
    stopped.start()
    yield stopped
    stopped.stop()


def run(broker: Devbroker, **changes: str | None) -> subprocess.CompletedProcess[str]:
    environment = broker.environment() | {k: v for k, v in changes.items() if v is not None}
    for name in [k for k, v in changes.items() if v is None]:
        del environment[name]
    return subprocess.run(
        broker.command(),
        env=environment,
        capture_output=True,
        text=True,
        timeout=START_LIMIT_S,
        check=False,
    )


def test_port_in_use_is_named_with_its_setting(stopped):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stopped.port))
        taken.listen()
        ended = run(stopped)
    assert ended.returncode == 1
    assert re.fullmatch(
        rf"TOMOBEAM_BROKER_PORT: .*'127\.0\.0\.1', {stopped.port}.*: address already in use\n",
        ended.stderr,
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"TOMOBEAM_BROKER_PRODUCER_PASSWORD_FILE": None},
            r"TOMOBEAM_BROKER_PRODUCER_PASSWORD \(or .*_FILE\): Field required",
        ),
        (
            {"TOMOBEAM_BROKER_DATABASE": "/nowhere/x.sqlite"},
            r"TOMOBEAM_BROKER_DATABASE: /nowhere/x\.sqlite: unable to open database file",
        ),
        ({"TOMOBEAM_BROKER_PORT": "many"}, "TOMOBEAM_BROKER_PORT: .*integer"),
    ],
)
def test_wrong_setting_is_named(stopped, changes, sentence):
    ended = run(stopped, **changes)
    assert ended.returncode in (1, 2)
    assert re.match(sentence, ended.stderr), ended.stderr
    assert ended.stderr.count("\n") == 1


def test_passwords_appear_nowhere(running):
    with Client.producer(running) as producer:
        producer.send(TOPIC, "a")
    with pytest.raises(stomp.exception.ConnectFailedException):
        Client.producer(running, password="wrong-one")
    kept = [running.log, *(running.folder / "state").iterdir()]
    for path in kept:
        held = path.read_bytes()
        for password in (*running.passwords.values(), "wrong-one"):
            assert password.encode() not in held


def test_stops_cleanly_with_clients_connected(stopped):
    stopped.start()
    with Client.ingester(stopped) as ingester:
        ingester.subscribe(QUEUE)
        assert stopped.stop() == 0
        assert ingester.gone.wait(START_LIMIT_S)
    assert '"level": "error"' not in stopped.tail()


def test_error_closes_and_names_the_receipt(running):
    with Bare(running) as client:
        client.login(BROKER_PRODUCER)
        client.send(f"SEND\ndestination:{QUEUE}\nreceipt:r7\n\nx\0".encode())
        said = client.closed()
    assert b"receipt-id:r7" in said
    assert f"SEND: this user may not send to {QUEUE}".encode() in said


def test_sender_of_too_much_is_told_why(running):
    with Client.producer(running) as producer:
        producer.connection.send(TOPIC, b"x" * 8_000_000)
        assert "larger than 1048576 bytes" in producer.error().headers["message"]


def test_prefetch_that_is_no_number_is_refused(running):
    with Bare(running) as client:
        client.login(BROKER_INGESTER)
        head = f"SUBSCRIBE\nid:1\ndestination:{QUEUE}\nactivemq.prefetchSize:0\n\n\0"
        assert client.refused(head.encode())


def test_store_that_cannot_be_written_ends_the_broker_and_keeps_what_was_answered(stopped):
    stopped.start()
    with Client.producer(stopped) as producer:
        producer.send(TOPIC, "answered")
        psutil.Process(stopped.pid).rlimit(psutil.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        for _ in range(4):
            producer.connection.send(TOPIC, b"x" * 500_000)
        assert producer.gone.wait(START_LIMIT_S)
    assert stopped.ended() == 1
    database = stopped.folder / "state" / "broker.sqlite"
    assert f"TOMOBEAM_BROKER_DATABASE: {database}: " in stopped.tail()
    stopped.start()
    with Client.ingester(stopped) as ingester:
        ingester.subscribe(QUEUE)
        assert ingester.message().body == b"answered"
    assert stopped.stop() == 0


def test_sender_that_reads_no_receipts_costs_little_memory(running):
    process = psutil.Process(running.pid)
    before = process.memory_info().rss
    frame = f"SEND\ndestination:{TOPIC}\nreceipt:{'r' * 10_000}\n\nx\0".encode()
    with Bare(running) as rude:
        rude.login(BROKER_PRODUCER)
        writer = threading.Thread(target=_write_until_closed, args=(rude, frame * 4000))
        writer.start()
        writer.join(5)
        assert process.memory_info().rss - before < 40_000_000
        with Client.ingester(running) as ingester:
            ingester.subscribe(QUEUE)
            assert ingester.message().body == b"x"
    writer.join(START_LIMIT_S)


def _write_until_closed(client: Bare, data: bytes) -> None:
    try:
        client.send(data)
    except OSError:
        return


def test_database_stays_as_small_as_its_queue(running):
    with Client.producer(running) as producer, Client.ingester(running) as ingester:
        ingester.subscribe(QUEUE, prefetch=10)
        for _ in range(150):
            producer.send(TOPIC, b"x" * 100_000)
            ingester.ack(ingester.message())
    size = sum(f.stat().st_size for f in (running.folder / "state").glob("broker.sqlite*"))
    assert size < 20_000_000


def test_help_names_the_settings(stopped):
    command = [*stopped.command(), "--help"]
    told = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=True)
    assert "TOMOBEAM_BROKER_DATABASE: SQLite file" in told.stdout
