"""Clients of a broker: stomp.py with what it received in queues, and a bare socket."""

from __future__ import annotations

import queue
import re
import socket
import ssl
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import stomp
from stomp.utils import Frame

from tests.services.broker.brokers import Broker
from tomobeam_contracts.destinations import BROKER_INGESTER, BROKER_PRODUCER

LIMIT_S = 30
QUIET_S = 1.5


class Client(stomp.ConnectionListener):
    """One connection of stomp.py, logged in as one of the two users."""

    def __init__(
        self,
        broker: Broker,
        user: str,
        *,
        password: str | None = None,
        version: str = "1.2",
        heartbeats: tuple[int, int] = (0, 0),
        connect: bool = True,
    ) -> None:
        self.broker, self.user, self.version = broker, user, version
        self.password = broker.passwords.get(user) if password is None else password
        self.messages: queue.Queue[Frame] = queue.Queue()
        self.errors: queue.Queue[Frame] = queue.Queue()
        self.gone = threading.Event()
        self._receipts: dict[str, threading.Event] = {}
        make = {"1.1": stomp.Connection11, "1.2": stomp.Connection12}[version]
        self.connection: Any = make(
            [("127.0.0.1", broker.port)],
            heartbeats=heartbeats,
            reconnect_attempts_max=1,
            auto_decode=False,
        )
        self.connection.set_listener("test", self)
        if connect:
            self.connect()

    def connect(self) -> None:
        self.connection.connect(self.user, self.password, wait=True)

    @classmethod
    def producer(cls, broker: Broker, **options: Any) -> Self:
        return cls(broker, BROKER_PRODUCER, **options)

    @classmethod
    def ingester(cls, broker: Broker, **options: Any) -> Self:
        return cls(broker, BROKER_INGESTER, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.connection.is_connected():
            self.connection.disconnect()
        self.drop()

    # What stomp.py's thread tells

    def on_message(self, frame: Frame) -> None:
        self.messages.put(frame)

    def on_error(self, frame: Frame) -> None:
        self.errors.put(frame)

    def on_receipt(self, frame: Frame) -> None:
        self._receipts.setdefault(frame.headers["receipt-id"], threading.Event()).set()

    def on_disconnected(self) -> None:
        self.gone.set()

    # What a test asks for

    def _receipt(self) -> tuple[str, threading.Event]:
        name = uuid.uuid4().hex
        return name, self._receipts.setdefault(name, threading.Event())

    def send(
        self, destination: str, body: str | bytes, *, wait: bool = True, **headers: str
    ) -> None:
        """Send, and wait until the broker has it."""
        name, event = self._receipt()
        self.connection.send(destination, body, headers={"receipt": name, **headers})
        if wait:
            assert event.wait(LIMIT_S), f"no receipt; {self.said()}"

    def subscribe(
        self,
        destination: str,
        ack: str = "client-individual",
        prefetch: int | None = None,
        id: str = "1",
    ) -> None:
        """Subscribe, and wait until the broker has done so."""
        name, event = self._receipt()
        headers = {} if prefetch is None else {"activemq.prefetchSize": str(prefetch)}
        self.connection.subscribe(destination, id, ack, headers={"receipt": name, **headers})
        assert event.wait(LIMIT_S), f"no receipt; {self.said()}"

    def message(self) -> Frame:
        """The next message."""
        try:
            return self.messages.get(timeout=LIMIT_S)
        except queue.Empty:
            raise AssertionError(f"no message came; {self.said()}") from None

    def nothing_comes(self) -> bool:
        """Whether no message comes for a while."""
        try:
            self.messages.get(timeout=QUIET_S)
        except queue.Empty:
            return True
        return False

    def error(self) -> Frame:
        """The next ERROR frame."""
        try:
            return self.errors.get(timeout=LIMIT_S)
        except queue.Empty:
            raise AssertionError("no ERROR came") from None

    def said(self) -> str:
        return "; ".join(str(frame.headers) for frame in list(self.errors.queue)) or "no ERROR came"

    def ack(self, frame: Frame, transaction: str | None = None) -> None:
        self._answer(self.connection.ack, frame, transaction)

    def nack(self, frame: Frame, transaction: str | None = None) -> None:
        self._answer(self.connection.nack, frame, transaction)

    def _answer(self, method: Any, frame: Frame, transaction: str | None) -> None:
        """Answer, and wait until the broker has it."""
        name, event = self._receipt()
        headers = frame.headers
        which = (
            (headers["message-id"], headers["subscription"])
            if self.version == "1.1"
            else (headers["ack"],)
        )
        method(*which, transaction=transaction, receipt=name)
        assert event.wait(LIMIT_S), f"no receipt; {self.said()}"

    def commit(self, transaction: str) -> None:
        """Commit, and wait until the broker has it."""
        name, event = self._receipt()
        self.connection.commit(transaction, headers={"receipt": name})
        assert event.wait(LIMIT_S), f"no receipt; {self.said()}"

    def drop(self) -> None:
        """Close the socket without a word."""
        if self.connection.is_connected():
            self.connection.transport.disconnect_socket()
            assert self.gone.wait(LIMIT_S)


class Bare:
    """A socket that sends bytes as they are."""

    def __init__(self, broker: Broker) -> None:
        self._socket = self._connect(broker)
        self._passwords = broker.passwords
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            # Wakes a thread that is still sending.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _connect(self, broker: Broker) -> socket.socket:
        return socket.create_connection(("127.0.0.1", broker.port), timeout=LIMIT_S)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def login(self, user: str, heart_beat: str = "0,0", version: str = "1.2") -> bytes:
        """Log in; the CONNECTED frame."""
        head = f"CONNECT\naccept-version:{version}\nhost:test\nlogin:{user}\n"
        head += f"passcode:{self._passwords[user]}\nheart-beat:{heart_beat}\n\n\0"
        self.send(head.encode())
        return self.until(b"\0")

    def until(self, mark: bytes) -> bytes:
        """What arrives up to and with `mark`."""
        while mark not in self.received:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError(f"closed; received {self.received!r}")
            self.received += data
        found, _, self.received = self.received.partition(mark)
        return found + mark

    def closed(self) -> bytes:
        """Wait until the broker closes; what it said until then."""
        while True:
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return self.received
            self.received += data

    def refused(self, data: bytes) -> bool:
        """Send; whether the broker answers with ERROR or closes."""
        try:
            self.send(data)
            self.until(b"ERROR\n")
        except (BrokenPipeError, ConnectionError):
            return True
        except TimeoutError:
            return False
        return True


class Secure(Bare):
    """The same over TLS, at a port of its own."""

    def __init__(self, broker: Broker, port: int, ca: Path) -> None:
        self._port, self._ca = port, ca
        super().__init__(broker)

    def _connect(self, broker: Broker) -> ssl.SSLSocket:
        plain = socket.create_connection(("localhost", self._port), timeout=LIMIT_S)
        trust = ssl.create_default_context(cafile=self._ca)
        return trust.wrap_socket(plain, server_hostname="localhost")


def header(frame: bytes, name: str) -> str:
    """A header of a frame's bytes."""
    found = re.search(rf"^{name}:(.*)$", frame.decode(), re.MULTILINE)
    assert found, frame
    return found[1]


def text(frame: Frame) -> str:
    """What a message says."""
    assert frame.body is not None
    return frame.body
