"""Over TLS: who is trusted, what is said of who is not, and how the end is noticed."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic, process_time

import pytest
import stomp

from tests.support.tls import DAY, Authority, FrontDoor, Pair
from tests.support.waiting import wait_for
from tomobeam_common.broker import BrokerAway, BrokerConnection
from tomobeam_common.settings import BrokerSettings, SettingsError

LIMIT_S = 10


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("localhost")


@pytest.fixture
def broker() -> Iterator[int]:
    """The port of a plain peer that takes every login and says no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=greet, args=[connection], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def greet(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(4096):
            if data.startswith(b"STOMP"):
                connection.sendall(b"CONNECTED\nversion:1.2\n\n\0")


class Listener(stomp.ConnectionListener):
    def __init__(self) -> None:
        self.connected, self.gone = threading.Event(), threading.Event()

    def on_connected(self, frame: object) -> None:
        self.connected.set()

    def on_disconnected(self) -> None:
        self.gone.set()


def connect(port: int, ca: Path, host: str = "localhost") -> tuple[BrokerConnection, Listener]:
    settings = BrokerSettings.load(broker_host=host, broker_port=port, broker_tls_ca=ca)
    connection, listener = BrokerConnection(settings, LIMIT_S), Listener()
    connection.set_listener("test", listener)
    connection.log_in()
    return connection, listener


def test_a_trusted_broker_is_greeted_and_its_end_noticed(
    authority: Authority, pair: Pair, broker: int
) -> None:
    threads = threading.active_count()
    with FrontDoor(pair, broker) as door:
        _, listener = connect(door.port, authority.ca)
        assert listener.connected.wait(LIMIT_S)
        door.drop()
        assert listener.gone.wait(LIMIT_S)
    wait_for(lambda: threading.active_count() <= threads, "the reader to end", LIMIT_S)


def test_a_connection_at_rest_costs_no_time(authority: Authority, pair: Pair, broker: int) -> None:
    with FrontDoor(pair, broker) as door:
        connection, listener = connect(door.port, authority.ca)
        assert listener.connected.wait(LIMIT_S)
        before = process_time()
        assert not listener.gone.wait(1.0)
        assert process_time() - before < 0.5
        connection.transport.disconnect_socket()
        assert listener.gone.wait(LIMIT_S)


def test_a_silent_broker_does_not_hold_up_the_end(authority: Authority, pair: Pair) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    held: list[ssl.SSLSocket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            held.append(context.wrap_socket(listener.accept()[0], server_side=True))

        threading.Thread(target=accept, daemon=True).start()
        connection, told = connect(listener.getsockname()[1], authority.ca)
        began = monotonic()
        connection.transport.disconnect_socket()
        assert told.gone.wait(LIMIT_S)
        assert monotonic() - began < LIMIT_S / 2
    held[0].close()


@pytest.mark.parametrize(
    ("name", "valid", "sentence"),
    [
        ("localhost", (-2 * DAY, -DAY), "that has expired"),
        ("localhost", (DAY, 2 * DAY), "that is not valid yet: is a clock wrong?"),
        ("elsewhere", (-DAY, DAY), "of another name than localhost"),
    ],
)
def test_a_certificate_that_does_not_hold_is_told_why(
    authority: Authority, broker: int, name: str, valid: tuple[timedelta, timedelta], sentence: str
) -> None:
    with (
        FrontDoor(authority.issue(name, valid=valid), broker) as door,
        pytest.raises(BrokerAway) as away,
    ):
        connect(door.port, authority.ca)
    where = f"the broker at localhost:{door.port}"
    assert str(away.value) == f"{where} shows a certificate {sentence}"


def test_a_strange_authority_is_told_from_ours(
    authority: Authority, broker: int, tmp_path: Path
) -> None:
    strange = Authority(tmp_path).issue("localhost")
    with (
        FrontDoor(strange, broker) as door,
        pytest.raises(BrokerAway, match=f"that {authority.ca} does not vouch for: unable to get"),
    ):
        connect(door.port, authority.ca)


def test_a_port_without_tls_is_named(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            for _ in range(2):
                with listener.accept()[0] as connection:
                    connection.sendall(b"ERROR\nmessage:who are you\n\n\0")

        threading.Thread(target=refuse, daemon=True).start()
        with pytest.raises(BrokerAway, match=r"fails at the TLS handshake .* its port for TLS\?"):
            connect(listener.getsockname()[1], authority.ca)


def test_a_port_where_nobody_listens_is_no_matter_of_trust(authority: Authority) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(BrokerAway, match="does not answer: Connection refused"):
            connect(probe.getsockname()[1], authority.ca)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "ca.crt: No such file or directory"),
        ("", "ca.crt holds no certificate in PEM form"),
        ("hello", "ca.crt holds no certificate in PEM form"),
    ],
)
def test_a_ca_file_that_vouches_for_nobody_is_named(
    content: str | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("TOMOBEAM_BROKER_TLS_CA", str(path))
    with pytest.raises(SettingsError) as error:
        BrokerSettings.load()
    assert str(error.value) == f"TOMOBEAM_BROKER_TLS_CA: Value error, {tmp_path}/{sentence}"
