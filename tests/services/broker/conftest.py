"""One broker of each kind for most tests; their queues are empty when a test begins."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.services.broker.brokers import KINDS, Broker, make
from tests.services.broker.clients import Client
from tomobeam_contracts.destinations import DEAD_LETTER_QUEUE, INGEST_QUEUE, queue

BOTH = [pytest.param(k, marks=[pytest.mark.activemq] if k == "activemq" else []) for k in KINDS]


@pytest.fixture(scope="session", params=BOTH)
def shared_broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    broker = make(request.param, tmp_path_factory.mktemp(request.param))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def broker(shared_broker: Broker) -> Broker:
    """A running broker with empty queues."""
    empty(shared_broker)
    return shared_broker


@pytest.fixture(params=BOTH)
def own_broker(request: pytest.FixtureRequest, tmp_path) -> Iterator[Broker]:
    """A running broker that a test may kill and start again."""
    broker = make(request.param, tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def producer(broker: Broker) -> Iterator[Client]:
    with Client.producer(broker) as client:
        yield client


@pytest.fixture
def ingester(broker: Broker) -> Iterator[Client]:
    with Client.ingester(broker) as client:
        yield client


@pytest.fixture
def make_ingester(broker: Broker) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make_one(**options) -> Client:
        clients.append(Client.ingester(broker, **options))
        return clients[-1]

    yield make_one
    for client in clients:
        client.__exit__()


def empty(broker: Broker) -> None:
    """Read both queues up to a mark sent last."""
    with Client.ingester(broker) as client:
        for destination in (queue(INGEST_QUEUE), queue(DEAD_LETTER_QUEUE)):
            mark = uuid.uuid4().hex.encode()
            client.send(destination, mark)
            client.subscribe(destination, ack="auto", prefetch=1000, id=destination)
            while client.message().body != mark:
                pass
            client.connection.unsubscribe(destination)
