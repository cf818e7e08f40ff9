"""What is sent to the topic arrives in the queue, once to one of its consumers, and stays so."""

from __future__ import annotations

import json
import threading

import pytest

from tests.services.broker.clients import Client
from tomobeam_contracts.destinations import INGEST_QUEUE, SCAN_TOPIC, queue, topic
from tomobeam_contracts.scan import ScanReady

TOPIC, QUEUE = topic(SCAN_TOPIC), queue(INGEST_QUEUE)
VERSIONS = pytest.mark.parametrize("version", ["1.1", "1.2"])


def test_what_was_sent_before_anyone_listened_arrives(producer, make_ingester):
    body = json.dumps(ScanReady.model_validate({"filePath": "/dls/x_processed.nxs"}).to_wire())
    producer.send(TOPIC, body)
    late = make_ingester()
    late.subscribe(QUEUE)
    message = late.message()
    assert json.loads(message.body) == {"filePath": "/dls/x_processed.nxs"}
    assert message.headers["destination"] == QUEUE
    assert message.headers["message-id"]
    assert int(message.headers["timestamp"]) > 0
    assert "redelivered" not in message.headers
    late.ack(message)


@VERSIONS
def test_every_version_sends_and_answers(broker, version):
    with (
        Client.producer(broker, version=version) as producer,
        Client.ingester(broker, version=version) as ingester,
    ):
        ingester.subscribe(QUEUE)
        producer.send(TOPIC, "one", where="C:\\data:1")
        message = ingester.message()
        assert message.body == b"one"
        assert message.headers["where"] == "C:\\data:1"
        ingester.ack(message)
        ingester.drop()
    with Client.ingester(broker, version=version) as again:
        again.subscribe(QUEUE)
        assert again.nothing_comes()


def test_header_with_every_escape_arrives_as_sent(producer, ingester):
    ingester.subscribe(QUEUE)
    producer.send(TOPIC, "x", odd="a:b\\c\nd\re ümlaut")
    assert ingester.message().headers["odd"] == "a:b\\c\nd\re ümlaut"


def test_order_is_kept(producer, ingester):
    for number in range(20):
        producer.send(TOPIC, str(number))
    ingester.subscribe(QUEUE)
    assert [int(ingester.message().body) for _ in range(20)] == list(range(20))


def test_answers_are_one_by_one(producer, make_ingester):
    first = make_ingester()
    first.subscribe(QUEUE)
    for name in ("a", "b", "c"):
        producer.send(TOPIC, name)
    messages = [first.message() for _ in range(3)]
    first.ack(messages[1])
    first.drop()
    second = make_ingester()
    second.subscribe(QUEUE)
    assert {second.message().body for _ in range(2)} == {b"a", b"c"}
    assert second.nothing_comes()


def test_client_mode_answers_all_up_to_there(producer, make_ingester):
    first = make_ingester()
    first.subscribe(QUEUE, ack="client")
    for name in ("a", "b", "c"):
        producer.send(TOPIC, name)
    messages = [first.message() for _ in range(3)]
    first.ack(messages[1])
    first.drop()
    second = make_ingester()
    second.subscribe(QUEUE)
    assert second.message().body == b"c"
    assert second.nothing_comes()


def test_auto_mode_needs_no_answer(producer, make_ingester):
    first = make_ingester()
    first.subscribe(QUEUE, ack="auto")
    producer.send(TOPIC, "a")
    assert first.message().body == b"a"
    first.connection.disconnect()
    assert first.gone.wait(30)
    second = make_ingester()
    second.subscribe(QUEUE)
    assert second.nothing_comes()


def test_prefetch_bounds_what_is_unanswered(producer, ingester):
    ingester.subscribe(QUEUE, prefetch=2)
    for number in range(4):
        producer.send(TOPIC, str(number))
    held = [ingester.message(), ingester.message()]
    assert ingester.nothing_comes()
    ingester.ack(held[0])
    assert ingester.message().body == b"2"
    assert ingester.nothing_comes()


def test_an_unanswered_message_holds_nobody_else_up(producer, ingester):
    ingester.subscribe(QUEUE, prefetch=50)
    producer.send(TOPIC, "unfinished")
    ingester.message()
    for number in range(20):
        producer.send(TOPIC, str(number))
        message = ingester.message()
        assert message.body == str(number).encode()
        ingester.ack(message)


def test_two_consumers_share_the_queue(producer, make_ingester):
    consumers = [make_ingester(), make_ingester()]
    for consumer in consumers:
        consumer.subscribe(QUEUE, prefetch=1)
    for number in range(2):
        producer.send(TOPIC, str(number))
    got = [consumer.message() for consumer in consumers]
    assert {frame.body for frame in got} == {b"0", b"1"}


def test_unsubscribing_gives_back_what_is_unanswered(producer, make_ingester):
    first, second = make_ingester(), make_ingester()
    first.subscribe(QUEUE)
    producer.send(TOPIC, "a")
    first.message()
    second.subscribe(QUEUE)
    first.connection.unsubscribe("1")
    assert second.message().body == b"a"


def test_live_subscribers_of_the_topic_get_copies(producer, make_ingester):
    live = [make_ingester(), make_ingester()]
    for listener in live:
        listener.subscribe(TOPIC, ack="auto")
    producer.send(TOPIC, "now")
    assert [listener.message().body for listener in live] == [b"now", b"now"]
    worker = make_ingester()
    worker.subscribe(QUEUE)
    assert worker.message().body == b"now"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff\xfe\x00\xfa not UTF-8", id="invalid-utf8-and-nul"),
        pytest.param(b"x" * 1_000_000, id="1MB"),
        pytest.param("µm ünicode 試料".encode(), id="utf8"),
        pytest.param(b"a\n\nb\r\n\r\nc", id="blank-lines"),
    ],
)
def test_body_arrives_as_sent(producer, ingester, body):
    ingester.subscribe(QUEUE)
    producer.send(TOPIC, body)
    assert ingester.message().body == body


def test_invalid_utf8_without_content_length_arrives_as_sent(broker, producer, ingester):
    """As an ActiveMQ TextMessage comes; the bytes are the ingester's to judge."""
    ingester.subscribe(QUEUE)
    producer.connection.auto_content_length = False
    producer.send(TOPIC, b'{"filePath": "/\xff\xfe"}')
    assert ingester.message().body == b'{"filePath": "/\xff\xfe"}'


def test_thousand_pipelined_sends_arrive_once_in_order(producer, ingester):
    ingester.subscribe(QUEUE, prefetch=200)
    count = 1000
    got: list[int] = []
    done = threading.Event()

    def consume() -> None:
        while len(got) < count:
            message = ingester.message()
            got.append(int(message.body))
            ingester.connection.ack(message.headers["ack"])
        done.set()

    thread = threading.Thread(target=consume, daemon=True)
    thread.start()
    for number in range(count - 1):
        producer.connection.send(TOPIC, str(number))
    producer.send(TOPIC, str(count - 1))
    assert done.wait(120), f"{len(got)} of {count}; {ingester.said()}"
    assert got == list(range(count))
    assert ingester.nothing_comes()
