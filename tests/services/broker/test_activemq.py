"""What only ActiveMQ needs: its passwords in a file where they are not in the environment."""

from __future__ import annotations

import pytest

from roles.activemq.service import TEMPLATES
from tests.services.broker.brokers import ActiveMQ, make
from tests.services.broker.clients import Client
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    BROKER_PRODUCER,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)
from tomobeam_deploy.templates import render_names


class FromFile(ActiveMQ):
    def command(self) -> list[str]:
        words = super().command()
        return words[words.index("--") + 1 :]


@pytest.mark.activemq
def test_passwords_come_from_the_credentials_file(tmp_path):
    make("activemq", tmp_path / "probe")
    broker = FromFile(tmp_path / "broker")
    passwords = {
        "producer": broker.passwords[BROKER_PRODUCER],
        "ingester": broker.passwords[BROKER_INGESTER],
    }
    path = broker.folder / "config" / "credentials.properties"
    path.touch(mode=0o600)
    path.write_text(render_names(f"{TEMPLATES}/{path.name}.j2", {"passwords": passwords}))
    broker.start()
    with Client.producer(broker) as producer, Client.ingester(broker) as ingester:
        ingester.subscribe(queue(INGEST_QUEUE))
        producer.send(topic(SCAN_TOPIC), "a")
        assert ingester.message().body == b"a"
    broker.stop()
