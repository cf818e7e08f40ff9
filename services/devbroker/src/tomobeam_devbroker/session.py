"""One client: its socket and heart-beats, its login, its subscriptions and transactions."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr
from stomp.utils import Frame

from tomobeam_common import logs
from tomobeam_devbroker.broker import Broker, Delivery, Subscription
from tomobeam_devbroker.frames import Refused, dump, read_frame

log = logs.get(__name__)

VERSIONS = ("1.2", "1.1")
HEART_BEAT_MS = 500
# A beat may be this many times late: clients send theirs when the interval is already over.
BEAT_GRACE = 3.0
CONNECT_LIMIT_S = 30.0
STALL_LIMIT_S = 60.0
LINGER_S = 0.5
PREFETCH = "100"
ACK_MODES = ("auto", "client", "client-individual")
_NUMBER = re.compile(r"[0-9]{1,9}")
_BEATS = re.compile(rf" *({_NUMBER.pattern}) *, *({_NUMBER.pattern}) *")
_NOT_KEPT = {"destination", "receipt", "transaction", "content-length", "redelivered", "ack"}


@dataclass(frozen=True)
class User:
    """Who may log in, and the destinations that they may send to and read from."""

    password: SecretStr
    send: set[str]
    read: set[str]


NOBODY = User(SecretStr(""), set(), set())

# What is to be done at a transaction's COMMIT, each with the delivery that it answers.
Steps = list[tuple[Callable[[], None], Delivery | None]]


class Session:
    """One client, from its first byte to the return of what it left unanswered."""

    def __init__(
        self,
        broker: Broker,
        users: Mapping[str, User],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._broker, self._users, self._reader, self._writer = broker, users, reader, writer
        self._log = log.bind(peer=str(writer.get_extra_info("peername")))
        # Frames to send, each with what to do afterwards; an empty one is the last.
        self._outbox: asyncio.Queue[tuple[bytes, Callable[[], None] | None]] = asyncio.Queue()
        self._beat_s: float | None = None
        self._receive_within_s: float | None = CONNECT_LIMIT_S
        self._user, self._version = NOBODY, VERSIONS[0]
        self._subscriptions: dict[str, Subscription] = {}
        self._transactions: dict[str, Steps] = {}
        self._unanswered: dict[str, Delivery] = {}
        self._goodbye = False

    async def run(self) -> None:
        """Serve the client until either side ends the connection."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._send_all())
                await self._receive_all()
                self._broker.then(self._put, b"")
        except* OSError as errors:
            self._log.info("connection_lost", reason=str(errors.exceptions[0]) or "silence")
            self._writer.transport.abort()
        finally:
            self._writer.close()
            self._leave()

    def _put(self, data: bytes, sent: Callable[[], None] | None = None) -> None:
        self._outbox.put_nowait((data, sent))

    async def _send_all(self) -> None:
        """Send what is put, and a heart-beat where nothing is."""
        while True:
            data, sent = b"\n", None
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat_s):
                    data, sent = await self._outbox.get()
            if not data:
                return
            self._writer.write(data)
            async with asyncio.timeout(STALL_LIMIT_S):
                await self._writer.drain()
            if sent is not None:
                sent()

    async def _receive_all(self) -> None:
        frame = None
        try:
            while not self._goodbye:
                frame = None
                # Who does not read the answers gets to ask for no more.
                await self._writer.drain()
                async with asyncio.timeout(self._receive_within_s):
                    frame = await read_frame(self._reader)
                if frame is not None:
                    self._handle(frame)
        except asyncio.IncompleteReadError:
            return
        except Refused as error:
            self._log.warning("refused", reason=str(error))
            asked = frame.headers if frame is not None else {}
            named = {"receipt-id": asked["receipt"]} if "receipt" in asked else {}
            self._answer("ERROR", {"message": str(error), **named}, str(error).encode())
            # Closing on unread bytes would take the ERROR from the client.
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    while await self._reader.read(64 * 1024):
                        pass

    def _leave(self) -> None:
        for subscription in self._subscriptions.values():
            self._broker.detach(subscription)
        for steps in self._transactions.values():
            self._take_back(steps)
        self._log.info("disconnected", returned=len(self._unanswered))
        for delivery in self._unanswered.values():
            self._broker.release(delivery)

    def _answer(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a frame once all that was asked before is on disk."""
        self._broker.then(self._put, dump(command, headers, body))

    def deliver(self, delivery: Delivery) -> None:
        """Send a message to one of this client's subscriptions."""
        subscription, message = delivery.subscription, delivery.message
        self._unanswered[delivery.key] = delivery
        marks = {"destination": subscription.destination, "subscription": subscription.name}
        if message.redeliveries:
            marks["redelivered"] = "true"
        sent = None
        if subscription.ack == "auto":
            sent = partial(self._sent, delivery)
        elif self._version != "1.1":
            marks["ack"] = delivery.key
        self._put(dump("MESSAGE", message.headers | marks, message.body), sent)

    def _sent(self, delivery: Delivery) -> None:
        """Acknowledge what nobody will."""
        if self._unanswered.pop(delivery.key, None) is not None:
            self._broker.acknowledge(delivery)

    def _handle(self, frame: Frame) -> None:
        if (self._user is NOBODY) != (frame.cmd in ("CONNECT", "STOMP")):
            raise Refused(f"{frame.cmd[:20]}: CONNECT is the first frame, and only that")
        handler = getattr(self, f"_on_{frame.cmd.lower()}", None)
        if handler is None or not frame.cmd.isupper():
            raise Refused(f"{frame.cmd[:20]!r} is no command of STOMP 1.1 or 1.2")
        handler(frame)
        if "receipt" in frame.headers:
            self._answer("RECEIPT", {"receipt-id": frame.headers["receipt"]})

    def _on_connect(self, frame: Frame) -> None:
        asked = [v.strip() for v in frame.headers.get("accept-version", "1.0").split(",")]
        version = next((v for v in VERSIONS if v in asked), None)
        if version is None:
            raise Refused(f"accept-version: {', '.join(VERSIONS)} are spoken here")
        name, given = frame.headers.get("login", ""), frame.headers.get("passcode", "")
        user = self._users.get(name, NOBODY)
        expected = user.password.get_secret_value()
        if user is NOBODY or not hmac.compare_digest(expected.encode(), given.encode()):
            raise Refused("login or passcode is wrong")
        beats = _BEATS.fullmatch(frame.headers.get("heart-beat", "0,0"))
        if beats is None:
            raise Refused("heart-beat: wants two numbers of milliseconds, such as 10000,10000")
        theirs, wanted = map(int, beats.groups())
        if wanted:
            self._beat_s = max(wanted, HEART_BEAT_MS) / 1000
        patience_s = max(theirs, HEART_BEAT_MS) / 1000 * BEAT_GRACE
        self._receive_within_s = patience_s if theirs else None
        self._user, self._version = user, version
        self._log = self._log.bind(user=name)
        self._log.info("connected", version=version)
        ours = f"{HEART_BEAT_MS},{HEART_BEAT_MS}"
        self._answer("CONNECTED", {"version": version, "heart-beat": ours})

    _on_stomp = _on_connect

    def _on_send(self, frame: Frame) -> None:
        destination = _need(frame, "destination")
        if destination not in self._user.send:
            raise Refused(f"SEND: this user may not send to {destination}")
        headers = {k: v for k, v in frame.headers.items() if k not in _NOT_KEPT}
        step = partial(self._broker.send, destination, headers, frame.body or b"")
        self._now_or_at_commit(frame, [(step, None)])

    def _on_subscribe(self, frame: Frame) -> None:
        name, destination = _need(frame, "id"), _need(frame, "destination")
        ack = frame.headers.get("ack", "auto")
        prefetch = frame.headers.get("activemq.prefetchSize", PREFETCH)
        if destination not in self._user.read:
            raise Refused(f"SUBSCRIBE: this user may not read {destination}")
        if name in self._subscriptions:
            raise Refused(f"SUBSCRIBE: id {name} is in use on this connection")
        if ack not in ACK_MODES:
            raise Refused(f"SUBSCRIBE: ack must be one of {', '.join(ACK_MODES)}")
        if not _NUMBER.fullmatch(prefetch) or int(prefetch) < 1:
            raise Refused("SUBSCRIBE: activemq.prefetchSize must be a number from 1 up")
        subscription = Subscription(name, destination, ack, int(prefetch), self.deliver)
        self._subscriptions[name] = subscription
        self._broker.attach(subscription)

    def _on_unsubscribe(self, frame: Frame) -> None:
        subscription = self._subscriptions.pop(_need(frame, "id"), None)
        if subscription is None:
            raise Refused("UNSUBSCRIBE: no such id")
        self._broker.detach(subscription)
        for delivery in self._unanswered_of(subscription):
            self._broker.release(self._unanswered.pop(delivery.key))

    def _unanswered_of(self, subscription: Subscription) -> list[Delivery]:
        return [d for d in self._unanswered.values() if d.subscription is subscription]

    def _on_ack(self, frame: Frame) -> None:
        names = ("message-id", "subscription") if self._version == "1.1" else ("id",)
        key = "/".join(_need(frame, name) for name in names)
        delivery = self._unanswered.get(key)
        if delivery is None or delivery.subscription.ack == "auto":
            raise Refused(f"{frame.cmd}: {key} is not waiting for an answer")
        answered = [delivery]
        if delivery.subscription.ack == "client":
            up_to = self._unanswered_of(delivery.subscription)
            answered = up_to[: up_to.index(delivery) + 1]
        follow = self._broker.acknowledge if frame.cmd == "ACK" else self._broker.reject
        self._now_or_at_commit(frame, [(partial(follow, d), d) for d in answered])
        for answer in answered:
            del self._unanswered[answer.key]

    _on_nack = _on_ack

    def _now_or_at_commit(self, frame: Frame, steps: Steps) -> None:
        if "transaction" in frame.headers:
            self._transactions[self._begun(frame)] += steps
        else:
            for step, _ in steps:
                step()

    def _begun(self, frame: Frame) -> str:
        name = _need(frame, "transaction")
        if name not in self._transactions:
            raise Refused(f"{frame.cmd}: no transaction {name} has begun")
        return name

    def _on_begin(self, frame: Frame) -> None:
        name = _need(frame, "transaction")
        if name in self._transactions:
            raise Refused(f"BEGIN: transaction {name} has already begun")
        self._transactions[name] = []

    def _on_commit(self, frame: Frame) -> None:
        for step, _ in self._transactions.pop(self._begun(frame)):
            step()

    def _on_abort(self, frame: Frame) -> None:
        self._take_back(self._transactions.pop(self._begun(frame)))

    def _take_back(self, steps: Steps) -> None:
        self._unanswered |= {d.key: d for _, d in steps if d is not None}

    def _on_disconnect(self, _frame: Frame) -> None:
        self._goodbye = True


def _need(frame: Frame, header: str) -> str:
    value = frame.headers.get(header)
    if not value:
        raise Refused(f"{frame.cmd}: the header {header} is missing")
    return value
