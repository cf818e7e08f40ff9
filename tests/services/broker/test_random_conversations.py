"""In whatever order clients say things, the embedded broker does not fail or lose a message."""

from __future__ import annotations

import random
import time

import pytest

from tests.services.broker.brokers import Devbroker
from tests.services.broker.clients import Bare, Client, text
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    DEAD_LETTER_QUEUE,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)

TOPIC, QUEUE, DEAD = topic(SCAN_TOPIC), queue(INGEST_QUEUE), queue(DEAD_LETTER_QUEUE)
CONVERSATIONS = 150


@pytest.fixture
def broker(tmp_path):
    broker = Devbroker(tmp_path)
    broker.settings |= {
        "TOMOBEAM_BROKER_REDELIVERIES": "1000",
        "TOMOBEAM_BROKER_REDELIVERY_S": "0.01",
    }
    broker.start()
    yield broker
    broker.stop()


def frame(rng: random.Random, ids: list[str]) -> bytes:
    """One frame, mostly right."""
    name, transaction = rng.choice("12"), rng.choice("ab")
    inside = rng.choice(["", "", f"transaction:{transaction}\n"])
    answer = rng.choice(["", "receipt:r\n"])
    ack = rng.choice(["auto", "client", "client-individual"])
    which = rng.choice(ids or ["none"])
    # Nothing here acknowledges, so that what was sent at first must still be there at the end.
    kinds = [
        f"SUBSCRIBE\nid:{name}\ndestination:{QUEUE}\nack:{ack.replace('auto', 'client')}\n",
        f"SUBSCRIBE\nid:{name}\ndestination:{TOPIC}\nack:{ack}\n",
        f"UNSUBSCRIBE\nid:{name}\n",
        f"NACK\nid:{which}\n{inside}",
        f"SEND\ndestination:{DEAD}\n{inside}",
        f"BEGIN\ntransaction:{transaction}\n",
        f"COMMIT\ntransaction:{transaction}\n",
        f"ABORT\ntransaction:{transaction}\n",
        "DISCONNECT\n",
    ]
    weights = [6, 2, 2, 6, 3, 3, 2, 1, 1]
    return (rng.choices(kinds, weights)[0] + answer + "\n\0").encode()


def converse(broker: Devbroker, rng: random.Random) -> None:
    with Bare(broker) as client:
        client.login(BROKER_INGESTER)
        ids: list[str] = []
        try:
            for _ in range(rng.randint(1, 12)):
                client.send(b"".join(frame(rng, ids) for _ in range(rng.randint(1, 4))))
                if rng.random() < 0.5:
                    client.send(b"BEGIN\ntransaction:sync\nreceipt:sync\n\n\0")
                    client.send(b"ABORT\ntransaction:sync\n\n\0")
                    said = client.until(b"receipt-id:sync\n").decode()
                    ids += [w[4:].replace("\\c", ":") for w in said.split("\n") if w[:4] == "ack:"]
        except ConnectionError:
            return


def test_random_conversations_lose_nothing(broker):
    seed = time.time_ns()
    print(f"seed {seed}")
    rng = random.Random(seed)
    with Client.producer(broker) as producer:
        for number in range(20):
            producer.send(TOPIC, str(number))
    for _ in range(CONVERSATIONS):
        converse(broker, rng)
    with Client.ingester(broker) as ingester:
        ingester.subscribe(QUEUE)
        assert sorted(int(text(ingester.message())) for _ in range(20)) == list(range(20))
        assert ingester.nothing_comes()
    log = broker.log.read_text()
    assert "Traceback" not in log, log[-4000:]
    assert '"level": "error"' not in log, log[-4000:]
