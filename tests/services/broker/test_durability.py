"""What was answered is kept: through kill -9, a stop, and a long queue."""

from __future__ import annotations

import re

from tests.services.broker.brokers import REDELIVERIES
from tests.services.broker.clients import Bare, Client, text
from tomobeam_contracts.destinations import (
    BROKER_PRODUCER,
    DEAD_LETTER_QUEUE,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)

TOPIC, QUEUE, DEAD = topic(SCAN_TOPIC), queue(INGEST_QUEUE), queue(DEAD_LETTER_QUEUE)


def test_kill_loses_nothing_answered_and_doubles_nothing_acknowledged(own_broker):
    with Client.producer(own_broker) as producer, Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE)
        for number in range(50):
            producer.send(TOPIC, str(number), wait=number in (0, 49))
        for _ in range(20):
            ingester.ack(ingester.message())
        own_broker.kill()
    own_broker.start()
    with Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE)
        assert [int(text(ingester.message())) for _ in range(30)] == list(range(20, 50))
        assert ingester.nothing_comes()


def test_kill_between_send_and_commit(own_broker):
    with Client.producer(own_broker) as producer, Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE)
        producer.send(TOPIC, "a")
        message = ingester.message()
        open_one = ingester.connection.begin()
        ingester.send(DEAD, "open", transaction=open_one)
        ingester.ack(message, open_one)
        committed = ingester.connection.begin()
        ingester.send(DEAD, "committed", transaction=committed)
        ingester.commit(committed)
        own_broker.kill()
    own_broker.start()
    with Client.ingester(own_broker) as ingester:
        ingester.subscribe(DEAD, id="dead")
        assert ingester.message().body == b"committed"
        assert ingester.nothing_comes()
        ingester.subscribe(QUEUE)
        assert ingester.message().body == b"a"


def test_refusals_are_counted_across_a_stop(own_broker):
    with Client.producer(own_broker) as producer, Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE)
        producer.send(TOPIC, "bad")
        for _ in range(REDELIVERIES):
            ingester.nack(ingester.message())
        ingester.message()
        ingester.connection.disconnect()
        ingester.gone.wait(30)
    own_broker.stop()
    own_broker.start()
    with Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE)
        ingester.subscribe(DEAD, id="dead")
        message = ingester.message()
        assert message.headers["redelivered"] == "true"
        ingester.nack(message)
        assert ingester.message().headers["destination"] == DEAD


def test_ten_thousand_waiting_messages_survive_a_kill(own_broker):
    count = 10_000
    with Client.producer(own_broker) as producer:
        for number in range(count - 1):
            producer.connection.send(TOPIC, str(number))
        producer.send(TOPIC, str(count - 1))
        own_broker.kill()
    own_broker.start()
    with Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE, ack="auto", prefetch=1000)
        assert [int(text(ingester.message())) for _ in range(count)] == list(range(count))
        assert ingester.nothing_comes()


def test_kill_in_the_middle_of_a_burst_keeps_everything_answered(own_broker):
    count = 3000
    with Bare(own_broker) as producer:
        producer.login(BROKER_PRODUCER)
        for number in range(count):
            head = f"SEND\ndestination:{TOPIC}\nreceipt:r{number}\n\n{number}\0"
            producer.send(head.encode())
            if number == 500:
                # The broker is at work on the rest when it dies.
                producer.until(b"receipt-id:r100\n")
        own_broker.kill()
        said = producer.closed()
    answered = [int(n) for n in re.findall(rb"receipt-id:r(\d+)\n", said)]
    last = max(answered, default=100)
    own_broker.start()
    with Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE, ack="auto", prefetch=1000)
        got = [int(text(ingester.message())) for _ in range(last + 1)]
        assert got == list(range(last + 1))


def test_scheduled_redeliveries_survive_a_kill(own_broker):
    with Client.producer(own_broker) as producer, Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE)
        producer.send(TOPIC, "later")
        ingester.nack(ingester.message())
        own_broker.kill()
    own_broker.start()
    with Client.ingester(own_broker) as ingester:
        ingester.subscribe(QUEUE)
        message = ingester.message()
        assert message.body == b"later"
        ingester.ack(message)
        assert ingester.nothing_comes()
