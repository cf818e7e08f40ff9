"""What only ActiveMQ has: passwords in a file where the environment has none, and TLS."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
from pydantic import SecretStr

from roles.activemq.service import TEMPLATES
from tests.services.broker.brokers import ActiveMQ, make
from tests.services.broker.clients import LIMIT_S, Client, Secure
from tests.support.tls import Authority
from tomobeam_common.settings import BrokerSettings
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    BROKER_PRODUCER,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)
from tomobeam_deploy.templates import render_names
from tomobeam_ingester.broker import Delivery, Link
from tomobeam_ingester.outcome import Reason, Refused
from tomobeam_reconstruction.notify import Producer, Unreachable, Unsent

# The link's own; a lost connection must not have to wait for it.
HEARTBEAT_S = 10


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


@pytest.fixture
def tls(tmp_path) -> Iterator[tuple[ActiveMQ, BrokerSettings]]:
    """A broker that speaks TLS only, and how its partners reach it."""
    make("activemq", tmp_path / "probe")
    authority = Authority(tmp_path / "pki")
    password = tmp_path / "keystore-password"
    password.touch(mode=0o600)
    password.write_text("for-a-test\n")
    store = authority.issue("localhost").key_store("for-a-test")

    class WithTls(ActiveMQ):
        values = ActiveMQ.values | {"key_store": str(store)}

    broker = WithTls(tmp_path / "broker")
    broker.settings["TOMOBEAM_BROKER_KEYSTORE_PASSWORD_FILE"] = str(password)
    broker.start()
    yield (
        broker,
        BrokerSettings.load(
            broker_host="localhost", broker_port=broker.port, broker_tls_ca=authority.ca
        ),
    )
    broker.stop()


def user(broker: ActiveMQ, settings: BrokerSettings, name: str) -> BrokerSettings:
    known = {"broker_user": name, "broker_password": SecretStr(broker.passwords[name])}
    return settings.model_copy(update=known)


@pytest.mark.activemq
def test_tls_is_of_the_newest_version(tls):
    broker, settings = tls
    trust = ssl.create_default_context(cafile=settings.broker_tls_ca)
    with (
        socket.create_connection(("localhost", broker.port), timeout=LIMIT_S) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.version() == "TLSv1.3"


@pytest.mark.activemq
def test_tls_wants_a_login_where_no_older_producers_are(tls):
    broker, settings = tls
    with Secure(broker, broker.port, settings.broker_tls_ca) as stranger:
        assert stranger.refused(b"CONNECT\naccept-version:1.2\nhost:test\n\n\0")


@pytest.mark.activemq
def test_notification_over_tls_survives_a_killed_broker(tls):
    broker, settings = tls
    arrived: SimpleQueue[Delivery] = SimpleQueue()

    def listen() -> Link:
        link = Link(user(broker, settings, BROKER_INGESTER), INGEST_QUEUE, arrived.put, 10)
        link.open()
        return link

    first = listen()
    with Producer(user(broker, settings, BROKER_PRODUCER)) as producer:
        producer.send("a")
    assert arrived.get(timeout=LIMIT_S).body == b"a"
    broker.kill()
    assert first.closed.wait(HEARTBEAT_S)
    first.close()
    broker.start()
    second = listen()
    again = arrived.get(timeout=LIMIT_S)
    assert (again.body, again.link) == (b"a", second)
    second.bury(again, Refused(Reason.NOT_JSON, "for a test"))
    second.close()


@pytest.mark.activemq
def test_a_wrong_password_is_told_from_a_certificate_that_is_not_trusted(tls, tmp_path):
    broker, settings = tls
    wrong = {"broker_user": BROKER_PRODUCER, "broker_password": SecretStr("wrong")}
    with pytest.raises(Unsent, match=r"refuses: User name .* is invalid"):
        Producer(settings.model_copy(update=wrong))
    known = user(broker, settings, BROKER_PRODUCER)
    with pytest.raises(Unreachable, match=r"shows a certificate that .* does not vouch for"):
        Producer(known.model_copy(update={"broker_tls_ca": Authority(tmp_path / "other").ca}))
    with pytest.raises(Unreachable, match="shows a certificate of another name than 127"):
        Producer(known.model_copy(update={"broker_host": "127.0.0.1"}))
    with pytest.raises(Unreachable, match="does it want TLS"):
        Producer(known.model_copy(update={"broker_tls_ca": None}))
