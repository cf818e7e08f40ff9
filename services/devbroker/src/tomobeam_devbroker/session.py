"""One connection: its login, its frames, its subscriptions and transactions."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from pydantic import SecretStr
from stomp.utils import Frame

from tomobeam_common import logs
from tomobeam_devbroker.broker import Batch, Broker, Delivery, Subscription
from tomobeam_devbroker.connection import Outbox
from tomobeam_devbroker.frames import FrameBuffer, FrameError, dump
from tomobeam_devbroker.store import Message, StoreError

log = logs.get(__name__)

VERSIONS = ("1.2", "1.1")
HEART_BEAT_MS = 500
# A beat may be this many times late: clients send theirs when the interval is already over.
BEAT_GRACE = 3.0
CONNECT_LIMIT_S = 30.0
LINGER_S = 0.5
CHUNK = 64 * 1024
TRANSACTION_LIMIT = 16 * 1024 * 1024
QUEUE_PREFETCH, TOPIC_PREFETCH = 100, 32766
ACK_MODES = ("auto", "client", "client-individual")
_NOT_KEPT = ("destination", "receipt", "transaction", "content-length", "redelivered", "ack")


class Refused(ValueError):
    """A frame asks for what it may not have; the message tells the client why."""

    receipt: str | None = None


@dataclass(frozen=True)
class User:
    """Who may log in, and the destinations that they may send to and read from."""

    password: SecretStr
    send: frozenset[str]
    read: frozenset[str]


@dataclass
class _Transaction:
    frames: list[Frame] = field(default_factory=list)
    size: int = 0


class Session:
    """One connection, from its first byte to the return of what it left unanswered."""

    def __init__(
        self,
        broker: Broker,
        users: Mapping[str, User],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._broker, self._users = broker, users
        self._reader, self._writer, self._outbox = reader, writer, Outbox(writer)
        self._log = log.bind(peer="{}:{}".format(*writer.get_extra_info("peername")[:2]))
        self._frames = FrameBuffer()
        self._user: User | None = None
        self._version = VERSIONS[0]
        self._subscriptions: dict[str, Subscription] = {}
        self._transactions: dict[str, _Transaction] = {}
        self._unanswered: dict[str, Delivery] = {}
        self._receive_within_s: float | None = CONNECT_LIMIT_S
        self._goodbye = False

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._outbox.send_all(self._sent))
                await self._receive_all()
                self._outbox.end()
        except* (OSError, StoreError) as errors:
            self._log.info("connection_lost", reason=str(errors.exceptions[0]) or "silence")
            self._writer.transport.abort()
        finally:
            self._writer.close()
            await self._leave()

    async def _leave(self) -> None:
        for subscription in self._subscriptions.values():
            self._broker.detach(subscription)
        batch = Batch()
        self._broker.release(batch, self._unanswered.values())
        try:
            await self._broker.carry_out(batch)
        except StoreError as error:
            # The delivery is not counted then, but the messages are not held back either.
            self._log.error("not_counted", error=str(error))
            await self._broker.carry_out(Batch(after=batch.after))
        self._log.info("disconnected", returned=len(self._unanswered))

    async def _receive_all(self) -> None:
        while not self._goodbye:
            await self._outbox.room.wait()
            async with asyncio.timeout(self._receive_within_s):
                data = await self._reader.read(CHUNK)
            if not data:
                return
            batch = Batch()
            try:
                try:
                    for frame in self._frames.feed(data):
                        self._handle(frame, batch)
                finally:
                    # What came before a wrong frame counts.
                    await self._broker.carry_out(batch)
            except (FrameError, Refused, StoreError) as error:
                self._log.warning("refused", reason=str(error))
                receipt = getattr(error, "receipt", None)
                headers = {"message": str(error)} | ({"receipt-id": receipt} if receipt else {})
                self._outbox.put(dump("ERROR", headers, str(error).encode()))
                await self._linger()
                return

    async def _linger(self) -> None:
        """Read on for a moment: closing on unread bytes would take the ERROR from the client."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while await self._reader.read(CHUNK):
                    pass

    def _handle(self, frame: Frame, batch: Batch) -> None:
        receipt = frame.headers.get("receipt")
        try:
            if (self._user is None) != (frame.cmd in ("CONNECT", "STOMP")):
                raise Refused(f"{frame.cmd[:20]}: CONNECT is the first frame, and only that")
            self._perform(frame, batch)
        except Refused as error:
            error.receipt = receipt
            raise
        if receipt is not None:
            self._answer_with(batch, "RECEIPT", {"receipt-id": receipt})

    def _perform(self, frame: Frame, batch: Batch) -> None:
        handler = _HANDLERS.get(frame.cmd)
        if handler is None:
            raise Refused(f"{frame.cmd[:20]!r} is no command of STOMP 1.1 or 1.2")
        handler(self, frame, batch)

    def _answer_with(self, batch: Batch, command: str, headers: dict[str, str]) -> None:
        batch.after.append(partial(self._outbox.put, dump(command, headers)))

    def _connect(self, frame: Frame, batch: Batch) -> None:
        asked = [v.strip() for v in frame.headers.get("accept-version", "1.0").split(",")]
        version = next((v for v in VERSIONS if v in asked), None)
        if version is None:
            raise Refused(f"accept-version: {', '.join(VERSIONS)} are spoken here")
        name = frame.headers.get("login")
        if not name:
            raise Refused("login: anonymous connections are not accepted")
        user = self._users.get(name)
        given = frame.headers.get("passcode", "").encode()
        if user is None or not hmac.compare_digest(
            given, user.password.get_secret_value().encode()
        ):
            raise Refused("login or passcode is wrong")
        theirs, wanted = _heart_beat(frame.headers.get("heart-beat", "0,0"))
        self._outbox.beat_s = max(wanted, HEART_BEAT_MS) / 1000 if wanted else None
        patience_s = max(theirs, HEART_BEAT_MS) / 1000 * BEAT_GRACE
        self._receive_within_s = patience_s if theirs else None
        self._user, self._version = user, version
        self._log = self._log.bind(user=name)
        self._log.info("connected", version=version)
        beats = f"{HEART_BEAT_MS},{HEART_BEAT_MS}"
        self._answer_with(batch, "CONNECTED", {"version": version, "heart-beat": beats})

    def _send(self, frame: Frame, batch: Batch) -> None:
        destination = _need(frame, "destination")
        if self._user is None or destination not in self._user.send:
            raise Refused(f"SEND: this user may not send to {destination}")
        if not self._deferred(frame):
            headers = {k: v for k, v in frame.headers.items() if k not in _NOT_KEPT}
            self._broker.send(batch, destination, headers, frame.body or b"")

    def _subscribe(self, frame: Frame, batch: Batch) -> None:
        name, destination = _need(frame, "id"), _need(frame, "destination")
        ack = frame.headers.get("ack", "auto")
        usual = QUEUE_PREFETCH if destination.startswith("/queue/") else TOPIC_PREFETCH
        prefetch = frame.headers.get("activemq.prefetchSize", str(usual))
        if self._user is None or destination not in self._user.read:
            raise Refused(f"SUBSCRIBE: this user may not read {destination}")
        if name in self._subscriptions:
            raise Refused(f"SUBSCRIBE: id {name} is in use on this connection")
        if ack not in ACK_MODES:
            raise Refused(f"SUBSCRIBE: ack must be one of {', '.join(ACK_MODES)}")
        if not prefetch.isdecimal() or int(prefetch) < 1:
            raise Refused("SUBSCRIBE: activemq.prefetchSize must be a number from 1 up")
        subscription = Subscription(name, destination, ack, int(prefetch), self)
        self._subscriptions[name] = subscription
        batch.after.append(partial(self._broker.attach, subscription))

    def _unsubscribe(self, frame: Frame, batch: Batch) -> None:
        subscription = self._subscriptions.pop(_need(frame, "id"), None)
        if subscription is None:
            raise Refused("UNSUBSCRIBE: no such id")
        self._broker.detach(subscription)
        left = [k for k, d in self._unanswered.items() if d.subscription is subscription]
        self._broker.release(batch, [self._unanswered.pop(k) for k in left])

    def _acknowledge(self, frame: Frame, batch: Batch) -> None:
        if self._version == "1.1":
            key = _key(_need(frame, "message-id"), _need(frame, "subscription"))
        else:
            key = _need(frame, "id")
        delivery = self._unanswered.get(key)
        if delivery is None or delivery.subscription.ack == "auto":
            raise Refused(f"{frame.cmd}: {key} is not waiting for an answer")
        if self._deferred(frame):
            return
        keys = [key]
        if delivery.subscription.ack == "client":
            of_it = delivery.subscription
            keys = [k for k, d in self._unanswered.items() if d.subscription is of_it]
            keys = keys[: keys.index(key) + 1]
        follow = self._broker.acknowledge if frame.cmd == "ACK" else self._broker.reject
        follow(batch, [self._unanswered.pop(k) for k in keys])

    def _deferred(self, frame: Frame) -> bool:
        """Whether a frame belongs to a transaction and waits there for its COMMIT."""
        name = frame.headers.pop("transaction", None)
        if name is None:
            return False
        transaction = self._transaction(frame, name)
        transaction.size += 1024 + len(frame.body or b"")
        if transaction.size > TRANSACTION_LIMIT:
            raise Refused(f"{frame.cmd}: transaction {name} has grown too large")
        transaction.frames.append(frame)
        return True

    def _transaction(self, frame: Frame, name: str) -> _Transaction:
        if name not in self._transactions:
            raise Refused(f"{frame.cmd}: no transaction {name} has begun")
        return self._transactions[name]

    def _begin(self, frame: Frame, _batch: Batch) -> None:
        name = _need(frame, "transaction")
        if name in self._transactions:
            raise Refused(f"BEGIN: transaction {name} has already begun")
        self._transactions[name] = _Transaction()

    def _end(self, frame: Frame, batch: Batch) -> None:
        name = _need(frame, "transaction")
        transaction = self._transaction(frame, name)
        del self._transactions[name]
        whole = Batch()
        for part in transaction.frames if frame.cmd == "COMMIT" else []:
            self._perform(part, whole)
        batch.changes += whole.changes
        batch.after += whole.after

    def _disconnect(self, _frame: Frame, _batch: Batch) -> None:
        self._goodbye = True

    @property
    def has_room(self) -> bool:
        """Whether more may be delivered now."""
        return self._outbox.room.is_set()

    def deliver(self, delivery: Delivery, message: Message) -> None:
        """Send a message to one of this connection's subscriptions."""
        subscription = delivery.subscription
        key = _key(message.headers["message-id"], subscription.name)
        self._unanswered[key] = delivery
        headers = message.headers | {
            "destination": subscription.destination,
            "subscription": subscription.name,
        }
        auto = subscription.ack == "auto"
        if not auto and self._version != "1.1":
            headers["ack"] = key
        if message.redeliveries:
            headers["redelivered"] = "true"
        self._outbox.put(dump("MESSAGE", headers, message.body), key if auto else None)

    def lag(self) -> None:
        """End the connection: it does not read what its topic sends."""
        self._log.warning("slow_subscriber")
        self._writer.transport.abort()

    async def _sent(self, keys: list[str]) -> None:
        batch = Batch()
        unasked = [self._unanswered.pop(k) for k in keys if k in self._unanswered]
        self._broker.acknowledge(batch, unasked)
        await self._broker.carry_out(batch)
        for subscription in list(self._subscriptions.values()):
            self._broker.dispatch(subscription.destination)


_HANDLERS = {
    "CONNECT": Session._connect,
    "STOMP": Session._connect,
    "SEND": Session._send,
    "SUBSCRIBE": Session._subscribe,
    "UNSUBSCRIBE": Session._unsubscribe,
    "ACK": Session._acknowledge,
    "NACK": Session._acknowledge,
    "BEGIN": Session._begin,
    "COMMIT": Session._end,
    "ABORT": Session._end,
    "DISCONNECT": Session._disconnect,
}


def _need(frame: Frame, header: str) -> str:
    value = frame.headers.get(header)
    if not value:
        raise Refused(f"{frame.cmd}: the header {header} is missing")
    return value


def _key(message_id: str, subscription: str) -> str:
    return f"{message_id}/{subscription}"


def _heart_beat(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(p.strip().isdecimal() for p in parts):
        raise Refused("heart-beat: wants two numbers of milliseconds, such as 10000,10000")
    return int(parts[0]), int(parts[1])
