"""What was not handled comes again: with growing waits after NACK, at once after a drop."""

from __future__ import annotations

from itertools import pairwise
from time import monotonic

import pytest

from tests.services.broker.brokers import REDELIVERIES, REDELIVERY_MS
from tests.services.broker.clients import Client
from tomobeam_contracts.destinations import (
    DEAD_LETTER_QUEUE,
    INGEST_QUEUE,
    REASON_HEADER,
    SCAN_TOPIC,
    queue,
    topic,
)

TOPIC, QUEUE, DEAD = topic(SCAN_TOPIC), queue(INGEST_QUEUE), queue(DEAD_LETTER_QUEUE)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_refused_message_comes_again_later_and_then_is_dead(broker, producer, version):
    with Client.ingester(broker, version=version) as ingester:
        ingester.subscribe(QUEUE)
        ingester.subscribe(DEAD, id="dead")
        producer.send(TOPIC, "bad", mark="kept")
        came = []
        for attempt in range(REDELIVERIES + 1):
            message = ingester.message()
            came.append(monotonic())
            assert message.headers["destination"] == QUEUE
            assert ("redelivered" in message.headers) == (attempt > 0)
            ingester.nack(message)
        dead = ingester.message()
        assert dead.headers["destination"] == DEAD
        assert (dead.body, dead.headers["mark"]) == (b"bad", "kept")
        ingester.ack(dead)
        assert ingester.nothing_comes()
    waits = [later - earlier for earlier, later in pairwise(came)]
    assert waits[0] >= REDELIVERY_MS / 1000 * 0.9
    assert waits[1] >= 2 * REDELIVERY_MS / 1000 * 0.9


def test_others_go_ahead_of_a_refused_message(producer, ingester):
    ingester.subscribe(QUEUE, prefetch=1)
    producer.send(TOPIC, "bad")
    ingester.nack(ingester.message())
    producer.send(TOPIC, "good")
    message = ingester.message()
    assert message.body == b"good"
    ingester.ack(message)
    message = ingester.message()
    assert message.body == b"bad"
    ingester.ack(message)


def test_dropped_socket_gives_everything_unanswered_to_the_next(producer, make_ingester):
    first = make_ingester()
    first.subscribe(QUEUE)
    for number in range(10):
        producer.send(TOPIC, str(number))
    messages = [first.message() for _ in range(10)]
    first.ack(messages[0])
    first.drop()
    second = make_ingester()
    second.subscribe(QUEUE)
    again = [second.message() for _ in range(9)]
    assert [int(frame.body) for frame in again] == list(range(1, 10))
    assert all(frame.headers["redelivered"] == "true" for frame in again)
    assert second.nothing_comes()


def test_dropped_sockets_alone_never_make_a_dead_letter(broker, producer, make_ingester):
    producer.send(TOPIC, "patient")
    for _ in range(REDELIVERIES + 3):
        client = make_ingester()
        client.subscribe(QUEUE)
        assert client.message().body == b"patient"
        client.drop()
    last = make_ingester()
    last.subscribe(QUEUE)
    last.ack(last.message())


def test_drops_count_when_a_message_is_refused_later(producer, make_ingester):
    """ActiveMQ counts every delivery that was not acknowledged."""
    producer.send(TOPIC, "bad")
    for _ in range(REDELIVERIES):
        client = make_ingester()
        client.subscribe(QUEUE)
        client.message()
        client.drop()
    last = make_ingester()
    last.subscribe(QUEUE)
    last.subscribe(DEAD, id="dead")
    last.nack(last.message())
    dead = last.message()
    assert dead.headers["destination"] == DEAD
    last.ack(dead)


def test_poison_goes_to_the_dead_letters_in_one_transaction(producer, make_ingester):
    """Wire 1: the reason in a header, and the message acknowledged, or neither."""
    ingester = make_ingester()
    ingester.subscribe(QUEUE)
    producer.send(TOPIC, "not json")
    message = ingester.message()
    transaction = ingester.connection.begin()
    ingester.send(DEAD, message.body, transaction=transaction, **{REASON_HEADER: "not JSON: 1"})
    ingester.ack(message, transaction)
    ingester.commit(transaction)
    ingester.drop()
    after = make_ingester()
    after.subscribe(QUEUE)
    after.subscribe(DEAD, id="dead")
    dead = after.message()
    assert dead.headers["destination"] == DEAD
    assert (dead.body, dead.headers[REASON_HEADER]) == (b"not json", "not JSON: 1")
    after.ack(dead)
    assert after.nothing_comes()


def test_aborted_transaction_never_was(producer, make_ingester):
    ingester = make_ingester()
    ingester.subscribe(QUEUE)
    producer.send(TOPIC, "a")
    message = ingester.message()
    transaction = ingester.connection.begin()
    ingester.send(DEAD, "never", transaction=transaction)
    ingester.ack(message, transaction)
    ingester.connection.abort(transaction)
    ingester.drop()
    after = make_ingester()
    after.subscribe(DEAD, id="dead")
    assert after.nothing_comes()
    after.subscribe(QUEUE)
    assert after.message().body == b"a"


def test_transaction_of_a_dropped_socket_never_was(producer, make_ingester):
    ingester = make_ingester()
    ingester.subscribe(QUEUE)
    producer.send(TOPIC, "a")
    message = ingester.message()
    transaction = ingester.connection.begin()
    ingester.send(DEAD, "never", transaction=transaction)
    ingester.ack(message, transaction)
    ingester.drop()
    after = make_ingester()
    after.subscribe(QUEUE)
    assert after.message().body == b"a"
    after.subscribe(DEAD, id="dead")
    assert after.nothing_comes()


def test_dead_letters_are_read_without_being_taken_and_sent_back(producer, make_ingester):
    """What `tomobeam-ingester` needs to list and to replay them."""
    operator = make_ingester()
    for name in ("a", "b"):
        operator.send(DEAD, name, **{REASON_HEADER: f"because of {name}"})
    operator.subscribe(DEAD, prefetch=1000)
    assert [operator.message().headers[REASON_HEADER] for _ in range(2)] == [
        "because of a",
        "because of b",
    ]
    operator.drop()
    operator = make_ingester()
    operator.subscribe(DEAD, prefetch=1000)
    letters = [operator.message(), operator.message()]
    transaction = operator.connection.begin()
    operator.send(QUEUE, letters[0].body, transaction=transaction)
    operator.ack(letters[0], transaction)
    operator.commit(transaction)
    operator.ack(letters[1])
    worker = make_ingester()
    worker.subscribe(QUEUE)
    assert worker.message().body == b"a"
    assert worker.nothing_comes()
