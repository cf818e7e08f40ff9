"""Who may log in, what they may do, and how silence is noticed."""

from __future__ import annotations

from time import monotonic

import pytest
import stomp.exception

from tests.services.broker.clients import Bare, Client, header
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    BROKER_PRODUCER,
    DEAD_LETTER_QUEUE,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)

TOPIC, QUEUE, DEAD = topic(SCAN_TOPIC), queue(INGEST_QUEUE), queue(DEAD_LETTER_QUEUE)


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (BROKER_PRODUCER, "wrong"),
        (BROKER_PRODUCER, ""),
        ("stranger", "wrong"),
        ("", ""),
        (None, None),
    ],
)
def test_wrong_login_is_refused(broker, user, password):
    client = Client(broker, user, password=password or "", connect=False)
    with pytest.raises(stomp.exception.ConnectFailedException):
        client.connect()
    client.drop()


def test_first_frame_must_be_a_login(broker, ingester):
    with Bare(broker) as stranger:
        assert stranger.refused(f"SEND\ndestination:{TOPIC}\n\nhello\0".encode())
    ingester.subscribe(QUEUE)
    assert ingester.nothing_comes()


@pytest.mark.parametrize("destination", [QUEUE, DEAD, "/queue/other", "/topic/other"])
def test_producer_sends_to_the_scan_topic_only(broker, destination, make_ingester):
    with Client.producer(broker) as producer:
        producer.send(destination, "forged", wait=False)
        assert producer.error().headers["message"]
    watcher = make_ingester()
    watcher.subscribe(QUEUE)
    watcher.subscribe(DEAD, id="dead")
    assert watcher.nothing_comes()


@pytest.mark.parametrize("destination", [QUEUE, DEAD, TOPIC])
def test_producer_reads_nothing(broker, destination):
    with Client.producer(broker) as producer:
        producer.connection.subscribe(destination, "1", "auto")
        assert producer.error().headers["message"]


@pytest.mark.parametrize("destination", ["/queue/other", "/topic/other"])
def test_ingester_reads_only_what_is_its_own(broker, destination):
    with Client.ingester(broker) as ingester:
        ingester.connection.subscribe(destination, "1", "auto")
        assert ingester.error().headers["message"]


def test_ingester_does_not_announce_scans(broker, make_ingester):
    with Client.ingester(broker) as ingester:
        ingester.send(TOPIC, "forged", wait=False)
        assert ingester.error().headers["message"]
    watcher = make_ingester()
    watcher.subscribe(QUEUE)
    assert watcher.nothing_comes()


def test_broker_beats_as_asked(broker):
    with Bare(broker) as client:
        connected = client.login(BROKER_INGESTER, heart_beat="0,1000")
        send_ms = int(header(connected, "heart-beat").split(",")[0])
        assert 0 < send_ms <= 1000
        start = monotonic()
        for _ in range(3):
            client.until(b"\n")
        assert monotonic() - start > 1.0


def test_silent_client_is_let_go_and_its_messages_returned(broker, producer, make_ingester):
    with Bare(broker) as client:
        client.login(BROKER_INGESTER, heart_beat="1000,0")
        client.send(f"SUBSCRIBE\nid:1\ndestination:{QUEUE}\nack:client\n\n\0".encode())
        producer.send(TOPIC, "a")
        client.until(b"a\0")
        client.closed()
    after = make_ingester()
    after.subscribe(QUEUE)
    assert after.message().body == b"a"


def test_beating_client_stays(broker, producer, make_ingester):
    client = make_ingester(heartbeats=(500, 500))
    client.subscribe(QUEUE)
    assert not client.gone.wait(6)
    producer.send(TOPIC, "a")
    assert client.message().body == b"a"


def test_client_without_heart_beats_stays(broker, producer, ingester):
    """Older producers send none."""
    assert not producer.gone.wait(6)
    ingester.subscribe(QUEUE)
    producer.send(TOPIC, "a")
    assert ingester.message().body == b"a"
