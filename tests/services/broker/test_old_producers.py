"""ActiveMQ of a site with older producers: takes them as they are, for announcing scans only."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import stomp.exception

from roles.activemq.service import SERVICE
from tests.services.broker.brokers import ActiveMQ, free_port, make
from tests.services.broker.clients import Client, Secure, header
from tests.support.tls import Authority
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    BROKER_PRODUCER,
    DEAD_LETTER_QUEUE,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)
from tomobeam_deploy.secrets import read_secret
from tomobeam_deploy.site import Ports, Site
from tomobeam_deploy.templates import ROOT

pytestmark = pytest.mark.activemq

TOPIC, QUEUE, DEAD = topic(SCAN_TOPIC), queue(INGEST_QUEUE), queue(DEAD_LETTER_QUEUE)
LOOPBACK = IPv4Address("127.0.0.1")


class OfHosts(ActiveMQ):
    """The broker of a site with hosts, key store and older producers; `port` is the plain one."""

    def __init__(self, folder: Path) -> None:
        self.tls_port = free_port()
        super().__init__(folder)
        authority = Authority(folder / "pki")
        self.ca = authority.ca
        secrets = self.placed.placement.secrets
        password = read_secret(secrets, SERVICE.secrets["TOMOBEAM_BROKER_KEYSTORE_PASSWORD"])
        authority.issue("localhost").key_store(password).rename(secrets / "keystore.p12")

    def site(self) -> Site:
        site = Site.load(ROOT / "inventories" / "single")
        hosts = {k: h.model_copy(update={"address": LOOPBACK}) for k, h in site.hosts.items()}
        ports = Ports(broker=self.port, broker_tls=self.tls_port)
        return Site(**dict(site) | {"hosts": hosts, "ports": ports, "old_producers": (LOOPBACK,)})


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfHosts]:
    folder = tmp_path_factory.mktemp("old-producers")
    make("activemq", folder / "probe")
    broker = OfHosts(folder / "broker")
    broker.start()
    yield broker
    broker.stop()


class Old(Client):
    """Names no user and no password, as older producers do."""

    def connect(self) -> None:
        self.connection.connect(wait=True)


def old(broker: OfHosts) -> Old:
    return Old(broker, "", version="1.1")


def test_what_an_older_producer_announces_outlasts_a_crash_until_the_ingester_comes(broker):
    with old(broker) as producer:
        producer.send(TOPIC, "a")
    broker.kill()
    broker.start()
    with Client.ingester(broker) as ingester:
        ingester.subscribe(QUEUE)
        message = ingester.message()
        assert message.body == b"a"
        ingester.ack(message)


@pytest.mark.parametrize("destination", [QUEUE, DEAD, "/queue/other", "/topic/other"])
def test_it_sends_to_the_scan_topic_only(broker, destination):
    with old(broker) as producer:
        producer.send(destination, "forged", wait=False)
        assert "not authorized to write" in producer.error().headers["message"]
    with Client.ingester(broker) as watcher:
        watcher.subscribe(QUEUE)
        watcher.subscribe(DEAD, id="dead")
        assert watcher.nothing_comes()


@pytest.mark.parametrize("destination", [TOPIC, QUEUE, DEAD, "/queue/other", "/topic/other"])
def test_it_reads_nothing(broker, destination):
    with old(broker) as producer:
        producer.connection.subscribe(destination, "1", "auto")
        assert "not authorized to read" in producer.error().headers["message"]


@pytest.mark.parametrize(
    ("user", "password"),
    [(BROKER_PRODUCER, "wrong"), (BROKER_INGESTER, ""), ("stranger", "wrong"), ("", "")],
)
def test_who_does_name_a_user_has_to_know_the_password(broker, user, password):
    client = Client(broker, user, password=password, connect=False)
    with pytest.raises(stomp.exception.ConnectFailedException):
        client.connect()
    client.drop()


def test_at_the_tls_port_too_who_names_no_user_sends_to_the_scan_topic_only(broker):
    with Secure(broker, broker.tls_port, broker.ca) as producer:
        producer.send(b"CONNECT\naccept-version:1.2\nhost:test\n\n\0")
        assert producer.until(b"\0").startswith(b"CONNECTED\n")
        assert producer.refused(f"SEND\ndestination:{QUEUE}\n\nforged\0".encode())
    with Secure(broker, broker.tls_port, broker.ca) as producer:
        producer.send(b"CONNECT\naccept-version:1.2\nhost:test\n\n\0")
        producer.until(b"\0")
        producer.send(f"SEND\ndestination:{TOPIC}\nreceipt:sent\n\na\0".encode())
        assert header(producer.until(b"\0"), "receipt-id") == "sent"
    with Client.ingester(broker) as ingester:
        ingester.subscribe(QUEUE)
        message = ingester.message()
        assert message.body == b"a"
        ingester.ack(message)


def test_at_the_tls_port_too_who_names_a_user_has_to_know_the_password(broker):
    with Secure(broker, broker.tls_port, broker.ca) as stranger:
        login = f"login:{BROKER_PRODUCER}\npasscode:wrong"
        assert stranger.refused(f"CONNECT\naccept-version:1.2\nhost:test\n{login}\n\n\0".encode())
