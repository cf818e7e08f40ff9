"""What only ActiveMQ has: passwords in a file where the environment has none, and TLS."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess

import pytest

from roles.activemq.service import TEMPLATES
from tests.services.broker.brokers import ActiveMQ, make
from tests.services.broker.clients import LIMIT_S, Client
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


@pytest.mark.activemq
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls(tmp_path):
    make("activemq", tmp_path / "probe")
    key, certificate, store = (tmp_path / n for n in ("key.pem", "cert.pem", "keys.p12"))
    commands = [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        f" -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}",
        f"pkcs12 -export -inkey {key} -in {certificate} -out {store} -passout pass:for-a-test",
    ]
    for command in commands:
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)

    class WithTls(ActiveMQ):
        values = ActiveMQ.values | {"tls": {"key_store": str(store)}}

    broker = WithTls(tmp_path / "broker")
    broker.settings["TOMOBEAM_BROKER_KEYSTORE_PASSWORD"] = "for-a-test"
    broker.start()
    trust = ssl.create_default_context(cafile=certificate)
    with (
        socket.create_connection(("localhost", broker.port), timeout=LIMIT_S) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        assert secure.version() == "TLSv1.3"
        login = f"login:{BROKER_PRODUCER}\npasscode:{broker.passwords[BROKER_PRODUCER]}\n"
        secure.sendall(f"CONNECT\naccept-version:1.2\nhost:x\n{login}\n\0".encode())
        assert secure.recv(4096).startswith(b"CONNECTED")
    broker.stop()
