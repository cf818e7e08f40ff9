"""What is not STOMP ends its own connection and nothing else."""

from __future__ import annotations

import pytest

from tests.services.broker.clients import Bare
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    BROKER_PRODUCER,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)

TOPIC, QUEUE = topic(SCAN_TOPIC), queue(INGEST_QUEUE)
TO = f"destination:{TOPIC}\n".encode()

BROKEN = {
    "unknown-command": b"SHOUT\n" + TO + b"\nhello\0",
    "header-without-colon": b"SEND\n" + TO + b"nonsense\n\nhello\0",
    "length-not-a-number": b"SEND\n" + TO + b"content-length:many\n\nhello\0",
    "length-negative": b"SEND\n" + TO + b"content-length:-5\n\nhello\0",
    "length-too-short": b"SEND\n" + TO + b"content-length:2\n\nhello\0",
    "body-beyond-limit": b"SEND\n" + TO + b"content-length:2097152\n\n" + b"x" * 2097152 + b"\0",
    "endless-body": b"SEND\n" + TO + b"\n" + b"x" * 2097152,
    "endless-header": b"SEND\n" + TO + b"a:" + b"x" * 2097152,
    "no-destination": b"SEND\n\nhello\0",
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\0",
    "noise": bytes(range(1, 256)) * 20 + b"\n\n\0",
    "second-connect": b"CONNECT\naccept-version:1.2\nhost:x\n\n\0",
    "ack-of-nothing": b"ACK\nid:nothing\nreceipt:r\n\n\0",
    "commit-of-nothing": b"COMMIT\ntransaction:nothing\nreceipt:r\n\n\0",
}


ACTIVEMQ_OVERLOOKS = {"header-without-colon", "length-negative", "length-too-short"}


@pytest.mark.parametrize("case", BROKEN)
def test_malformed_frame_is_refused_and_the_others_go_on(broker, producer, ingester, case):
    data = BROKEN[case]
    ingester.subscribe(QUEUE)
    with Bare(broker) as client:
        client.login(BROKER_PRODUCER)
        if broker.kind == "activemq" and case in ACTIVEMQ_OVERLOOKS:
            client.send(data)
        else:
            assert client.refused(data)
    producer.send(TOPIC, "after")
    bodies = []
    while not bodies or bodies[-1] != b"after":
        message = ingester.message()
        bodies.append(message.body)
        ingester.ack(message)
    # ActiveMQ takes some of what it overlooks for a message.
    assert len(bodies) == 1 or (broker.kind == "activemq" and case in ACTIVEMQ_OVERLOOKS)


def test_frames_in_pieces_and_together(broker, ingester):
    ingester.subscribe(QUEUE)
    with Bare(broker) as client:
        client.login(BROKER_PRODUCER)
        one = b"SEND\r\n" + TO.replace(b"\n", b"\r\n") + b"\r\nfirst\0\n\n"
        two = b"SEND\n" + TO + b"content-length:3\nreceipt:r\n\n2\0x\0"
        for byte in one[:60]:
            client.send(bytes([byte]))
        client.send(one[60:] + two)
        client.until(b"receipt-id:r")
    assert [ingester.message().body for _ in range(2)] == [b"first", b"2\0x"]


def test_stranded_half_frame_is_forgotten(broker, producer, ingester):
    ingester.subscribe(QUEUE)
    with Bare(broker) as client:
        client.login(BROKER_PRODUCER)
        client.send(b"SEND\n" + TO + b"content-length:100\n\nhalf")
    producer.send(TOPIC, "whole")
    assert ingester.message().body == b"whole"
    assert ingester.nothing_comes()


def test_versions_that_are_not_spoken_are_refused(broker):
    with Bare(broker) as client:
        client.send(b"CONNECT\naccept-version:9.9\nhost:x\nlogin:a\npasscode:b\n\n\0")
        assert b"ERROR" in client.closed()


def test_the_highest_common_version_is_spoken(broker):
    with Bare(broker) as client:
        connected = client.login(BROKER_INGESTER, version="1.1,1.2,1.3")
        assert b"version:1.2" in connected
