"""The embedded broker against ActiveMQ: persistent sends, and receiving with acknowledgement."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.services.broker.brokers import ACTIVEMQ_HOME, KINDS, Broker
from tests.services.broker.clients import Client
from tomobeam_contracts.destinations import INGEST_QUEUE, SCAN_TOPIC, queue, topic

BODY = b'{"filePath": "/dls/i12/data/2026/nt1/processing/20261123101500_x/x_processed.nxs"}'
ONE_BY_ONE = 300
PIPELINED = 2000
ROUNDS = 3


def sends_with_receipt(producer: Client, _ingester: Client) -> float:
    """Messages a second, each answered before the next is sent."""
    start = perf_counter()
    for _ in range(ONE_BY_ONE):
        producer.send(topic(SCAN_TOPIC), BODY)
    return ONE_BY_ONE / (perf_counter() - start)


def pipelined_sends(producer: Client, _ingester: Client) -> float:
    """Messages a second, only the last one answered."""
    start = perf_counter()
    for _ in range(PIPELINED - 1):
        producer.connection.send(topic(SCAN_TOPIC), BODY)
    producer.send(topic(SCAN_TOPIC), BODY)
    return PIPELINED / (perf_counter() - start)


def receives_with_ack(_producer: Client, ingester: Client) -> float:
    """Messages a second, each acknowledged by itself, the last with a receipt."""
    total = ONE_BY_ONE + PIPELINED
    start = perf_counter()
    ingester.subscribe(queue(INGEST_QUEUE), prefetch=100)
    for _ in range(total - 1):
        ingester.connection.ack(ingester.message().headers["ack"])
    ingester.ack(ingester.message())
    spent = perf_counter() - start
    ingester.connection.unsubscribe("1")
    return total / spent


MEASURES: dict[str, Callable[[Client, Client], float]] = {
    "persistent sends with receipt per second": sends_with_receipt,
    "persistent pipelined sends per second": pipelined_sends,
    "receive and acknowledge per second": receives_with_ack,
}


def measure(brokers: list[Broker]) -> dict[tuple[str, str], float]:
    """The median of each measure for each broker; the brokers take turns."""
    clients = {b.kind: (Client.producer(b), Client.ingester(b)) for b in brokers}
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for kind, pair in clients.items():
            for name, run in MEASURES.items():
                found.setdefault((kind, name), []).append(run(*pair))
    for pair in clients.values():
        for client in pair:
            client.__exit__()
    return {key: median(values) for key, values in found.items()}


def main() -> None:
    """Print one line a measure."""
    kinds = [k for k in KINDS if k != "activemq" or ACTIVEMQ_HOME.is_dir()]
    with tempfile.TemporaryDirectory() as folder:
        brokers = []
        for kind in kinds:
            place = Path(folder, kind)
            place.mkdir()
            brokers.append(KINDS[kind](place))
            brokers[-1].start()
        try:
            found = measure(brokers)
        finally:
            for broker in brokers:
                broker.stop()
    for name in MEASURES:
        ours = found["devbroker", name]
        if "activemq" in kinds:
            theirs = found["activemq", name]
            print(
                f"bench: {name}: devbroker {ours:.0f} / ActiveMQ {theirs:.0f} = {ours / theirs:.2f}"
            )
        else:
            print(f"bench: {name}: devbroker {ours:.0f} (ActiveMQ is not installed)")


if __name__ == "__main__":
    main()
