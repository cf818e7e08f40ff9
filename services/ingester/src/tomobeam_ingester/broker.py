"""One connection to the broker; a delivery is answered on the connection that it came by."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import stomp
from stomp.exception import StompException
from stomp.utils import Frame

from tomobeam_common import logs
from tomobeam_common.broker import BrokerAway, BrokerConnection
from tomobeam_common.settings import BrokerSettings
from tomobeam_contracts.destinations import REASON_HEADER, queue
from tomobeam_ingester.outcome import Refused

log = logs.get(__name__)

CONNECT_S = 10.0
RECEIPT_S = 15.0
# A loaded machine beats late; ActiveMQ itself allows half as much again.
GRACE = 3.0
REPLAY_HEADER = "tomobeam-replay"
_CARRIED = ("content-type", REPLAY_HEADER)


class LinkLost(ConnectionError):
    """The connection is gone; what was not answered comes again."""


@dataclass(eq=False)
class Delivery:
    """A message in our hands, unanswered."""

    link: Link
    ack_id: str
    message_id: str
    body: bytes
    headers: Mapping[str, str]
    received: float = field(default_factory=time.time)

    @property
    def sent(self) -> float:
        """When the broker got it, in seconds since the epoch; else when we did."""
        stamp = self.headers.get("timestamp", "")
        return int(stamp) / 1000 if stamp.isdecimal() else self.received


class Link(stomp.ConnectionListener):
    """A STOMP 1.2 connection with one subscription, acknowledged message by message."""

    def __init__(
        self,
        settings: BrokerSettings,
        source: str,
        on_delivery: Callable[[Delivery], None],
        prefetch: int,
        heartbeat_s: float = 10.0,
    ) -> None:
        self._settings, self._source, self._prefetch = settings, source, prefetch
        self._on_delivery = on_delivery
        self.closed = threading.Event()
        self.fault = ""
        self._answered = threading.Event()
        self._receipts: dict[str, threading.Event] = {}
        beat = int(heartbeat_s * 1000)
        self._stomp = BrokerConnection(
            settings,
            CONNECT_S,
            heartbeats=(beat, beat),
            heart_beat_receive_scale=GRACE,
            # A body need not be text: it is judged, not decoded, on arrival.
            auto_decode=False,
        )
        self._stomp.set_listener("link", self)

    def open(self) -> None:
        """Connect and subscribe.

        Raises:
            LinkLost: the broker is not there, refuses, or does not answer.
        """
        try:
            self._log_in()
            headers = {"activemq.prefetchSize": str(self._prefetch)}
            self._send(
                lambda: self._stomp.subscribe(
                    queue(self._source), id="ingest", ack="client-individual", headers=headers
                )
            )
        except LinkLost:
            self.close()
            raise

    def _log_in(self) -> None:
        try:
            self._stomp.log_in()
        except BrokerAway as away:
            raise LinkLost(str(away)) from away
        if not self._answered.wait(CONNECT_S):
            raise LinkLost(f"{self._stomp.where} accepts connections but does not answer")
        if self.fault:
            raise LinkLost(f"{self._stomp.where} refuses: {self.fault}")
        if self.closed.is_set():
            raise LinkLost(self._stomp.hung_up)

    def ack(self, delivery: Delivery) -> None:
        """Say that a message is handled.

        Raises:
            LinkLost
        """
        self._send(lambda: self._stomp.ack(delivery.ack_id))

    def bury(self, delivery: Delivery, refusal: Refused) -> None:
        """Put a message among the dead letters with its reason, and acknowledge it, in one.

        Raises:
            LinkLost: it is not known whether the broker did so; if not, it comes again.
        """
        headers = {REASON_HEADER: refusal.header}
        self.move(delivery, self._settings.dead_letter_queue, headers)

    def move(self, delivery: Delivery, target: str, headers: Mapping[str, str]) -> None:
        """Send a message on to the queue `target` and acknowledge it, in one transaction.

        Raises:
            LinkLost
        """
        carried = {name: delivery.headers[name] for name in _CARRIED if name in delivery.headers}
        carried |= {"persistent": "true", "original-message-id": delivery.message_id, **headers}
        # Without the length ActiveMQ makes a text message of it, as the producer's was.
        if "content-length" in delivery.headers or not _is_text(delivery.body):
            carried["content-length"] = str(len(delivery.body))
        transaction, receipt = uuid.uuid4().hex, uuid.uuid4().hex
        done = self._receipts[receipt] = threading.Event()

        def send() -> None:
            self._stomp.begin(transaction)
            self._stomp.send(queue(target), delivery.body, headers=carried, transaction=transaction)
            self._stomp.ack(delivery.ack_id, transaction=transaction)
            self._stomp.commit(transaction, receipt=receipt)

        try:
            self._send(send)
            if not done.wait(RECEIPT_S) or self.closed.is_set():
                raise LinkLost(f"no receipt for the move to {target}: {self.fault}")
        finally:
            self._receipts.pop(receipt, None)

    def _send(self, action: Callable[[], None]) -> None:
        if self.closed.is_set():
            raise LinkLost("the connection was lost")
        try:
            action()
        except StompException as error:
            raise LinkLost(f"the connection was lost: {error}") from error

    def close(self) -> None:
        """Say goodbye where that is still possible, and end the connection."""
        if not self.closed.is_set():
            receipt = uuid.uuid4().hex
            gone = self._receipts[receipt] = threading.Event()
            try:
                self._stomp.send_frame("DISCONNECT", {"receipt": receipt})
                gone.wait(1.0)
            except StompException:
                pass  # It was gone already.
        self._stomp.transport.disconnect_socket()
        self._end()

    def _end(self) -> None:
        self.closed.set()
        self._answered.set()
        for event in list(self._receipts.values()):
            event.set()

    def on_connected(self, frame: Frame) -> None:  # noqa: ARG002 - stomp.py's signature
        """The broker took us."""
        self._answered.set()

    def on_message(self, frame: Frame) -> None:
        """Hand a message on; this runs in the connection's reader and must not wait."""
        headers = frame.headers
        self._on_delivery(
            Delivery(self, headers["ack"], headers["message-id"], frame.body or b"", headers)
        )

    def on_error(self, frame: Frame) -> None:
        """The broker refuses something; it may close the connection after it."""
        body = frame.body.decode("utf-8", "replace") if frame.body else ""
        self.fault = frame.headers.get("message") or body.strip().split("\n")[0]
        log.warning("broker_error", fault=self.fault)
        self._end()

    def on_receipt(self, frame: Frame) -> None:
        """The broker did what asked for a receipt."""
        event = self._receipts.get(frame.headers.get("receipt-id", ""))
        if event is not None:
            event.set()

    def on_heartbeat_timeout(self) -> None:
        """The broker is silent."""
        self.fault = "no heart-beat"
        self._end()

    def on_disconnected(self) -> None:
        """The socket is closed."""
        self._end()


def _is_text(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in body
