"""One connection: its login, its frames, its subscriptions and transactions, its heart-beats."""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from pydantic import SecretStr
from stomp.utils import Frame

from tomobeam_common import logs
from tomobeam_devbroker.broker import Batch, Broker, Delivery, Subscription
from tomobeam_devbroker.frames import FrameBuffer, FrameError, dump
from tomobeam_devbroker.store import Message, StoreError

log = logs.get(__name__)

VERSIONS = ("1.2", "1.1")
HEART_BEAT_MS = 500
# A beat may be this many times late: clients send theirs when the interval is already over.
BEAT_GRACE = 3.0
CONNECT_LIMIT_S = 30.0
STALL_LIMIT_S = 60.0
CHUNK = 64 * 1024
OUTBOX_LIMIT = 1024 * 1024
TRANSACTION_LIMIT = 16 * 1024 * 1024
ACK_MODES = ("auto", "client", "client-individual")
_NOT_KEPT = ("destination", "receipt", "transaction", "content-length", "redelivered")


class Refused(ValueError):
    """A frame asks for what it may not have; the message tells the client why."""


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
        prefetch: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._broker, self._users, self._prefetch = broker, users, prefetch
        self._reader, self._writer = reader, writer
        self._log = log.bind(peer="{}:{}".format(*writer.get_extra_info("peername")[:2]))
        self._frames = FrameBuffer()
        self._user: User | None = None
        self._version = VERSIONS[0]
        self._subscriptions: dict[str, Subscription] = {}
        self._transactions: dict[str, _Transaction] = {}
        self._unanswered: dict[str, Delivery] = {}
        self._outbox: deque[tuple[bytes, str | None]] = deque()
        self._outbox_size = 0
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._ending = False
        self._send_every_s: float | None = None
        self._receive_within_s: float | None = CONNECT_LIMIT_S

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        sender = asyncio.create_task(self._send_all())
        try:
            await self._receive_all()
        except (FrameError, Refused, StoreError) as error:
            self._log.warning("refused", reason=str(error))
            self._put("ERROR", {"message": str(error), **_receipt_of(error)}, str(error).encode())
        except TimeoutError:
            self._log.warning("silent", limit_s=self._receive_within_s)
        except OSError as error:
            self._log.info("connection_lost", error=str(error))
        finally:
            await self._leave(sender)

    async def _leave(self, sender: asyncio.Task[None]) -> None:
        for subscription in self._subscriptions.values():
            self._broker.detach(subscription)
        self._ending = True
        self._wake.set()
        await asyncio.wait({sender}, timeout=BEAT_GRACE)
        sender.cancel()
        self._writer.transport.abort() if self._outbox else self._writer.close()
        batch = Batch()
        self._broker.release(batch, self._unanswered.values())
        try:
            await self._broker.carry_out(batch)
        except StoreError as error:
            # Not counted, but not lost either.
            self._log.error("redelivery_not_counted", error=str(error))
            for step in batch.after:
                step()
        self._log.info("disconnected", returned=len(self._unanswered))

    # Incoming

    async def _receive_all(self) -> None:
        while not self._ending:
            await self._room.wait()
            async with asyncio.timeout(self._receive_within_s):
                data = await self._reader.read(CHUNK)
            if not data:
                return
            batch, fault = Batch(), None
            try:
                for frame in self._frames.feed(data):
                    self._handle(frame, batch)
            except (FrameError, Refused) as error:
                fault = error
            await self._broker.carry_out(batch)
            if fault is not None:
                raise fault

    def _handle(self, frame: Frame, batch: Batch) -> None:
        try:
            self._handle_checked(frame, batch)
        except Refused as error:
            error.add_note(frame.headers.get("receipt", ""))
            raise
        receipt = frame.headers.get("receipt")
        if receipt is not None and self._user is not None:
            batch.after.append(partial(self._put, "RECEIPT", {"receipt-id": receipt}))

    def _handle_checked(self, frame: Frame, batch: Batch) -> None:
        connecting = frame.cmd in ("CONNECT", "STOMP")
        if self._user is None and not connecting:
            raise Refused(f"{frame.cmd[:20]}: the first frame must be CONNECT")
        if self._user is not None and connecting:
            raise Refused("CONNECT: this connection is already logged in")
        handler = _HANDLERS.get(frame.cmd)
        if handler is None:
            raise Refused(f"{frame.cmd[:20]!r} is no command of STOMP 1.1 or 1.2")
        handler(self, frame, batch)

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
        known = user.password.get_secret_value().encode() if user else b""
        if not hmac.compare_digest(given, known) or user is None:
            raise Refused("login or passcode is wrong")
        theirs, wanted = _heart_beat(frame.headers.get("heart-beat", "0,0"))
        self._send_every_s = max(wanted, HEART_BEAT_MS) / 1000 if wanted else None
        grace = BEAT_GRACE / 1000
        self._receive_within_s = max(theirs, HEART_BEAT_MS) * grace if theirs else None
        self._user, self._version = user, version
        self._log = self._log.bind(user=name)
        self._log.info("connected", version=version)
        answer = {
            "version": version,
            "server": "tomobeam-devbroker",
            "heart-beat": f"{HEART_BEAT_MS},{HEART_BEAT_MS}",
        }
        batch.after.append(partial(self._put, "CONNECTED", answer))

    def _send(self, frame: Frame, batch: Batch) -> None:
        destination = _need(frame, "destination")
        assert self._user is not None
        if destination not in self._user.send:
            raise Refused(f"SEND: this user may not send to {destination}")
        if self._deferred(frame):
            return
        headers = {k: v for k, v in frame.headers.items() if k not in _NOT_KEPT}
        self._broker.send(batch, destination, headers, frame.body or b"")

    def _subscribe(self, frame: Frame, batch: Batch) -> None:
        name, destination = _need(frame, "id"), _need(frame, "destination")
        ack = frame.headers.get("ack", "auto")
        prefetch = frame.headers.get("activemq.prefetchSize", str(self._prefetch))
        assert self._user is not None
        if destination not in self._user.read:
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
        left = {k: d for k, d in self._unanswered.items() if d.subscription is subscription}
        for key in left:
            del self._unanswered[key]
        self._broker.release(batch, left.values())

    def _answer(self, frame: Frame, batch: Batch) -> None:
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
            keys = []
            for earlier, other in self._unanswered.items():
                if other.subscription is delivery.subscription:
                    keys.append(earlier)
                if earlier == key:
                    break
        answered = [self._unanswered.pop(k) for k in keys]
        follow = self._broker.acknowledge if frame.cmd == "ACK" else self._broker.reject
        follow(batch, answered)

    def _deferred(self, frame: Frame) -> bool:
        """Whether a frame belongs to a transaction and waits there for its COMMIT."""
        name = frame.headers.pop("transaction", None)
        if name is None:
            return False
        transaction = self._transaction(frame.cmd, name)
        transaction.size += 1024 + len(frame.body or b"")
        if transaction.size > TRANSACTION_LIMIT:
            raise Refused(f"{frame.cmd}: transaction {name} has grown too large")
        transaction.frames.append(frame)
        return True

    def _transaction(self, command: str, name: str) -> _Transaction:
        found = self._transactions.get(name)
        if found is None:
            raise Refused(f"{command}: no transaction {name} has begun")
        return found

    def _begin(self, frame: Frame, batch: Batch) -> None:  # noqa: ARG002 - as every handler
        name = _need(frame, "transaction")
        if name in self._transactions:
            raise Refused(f"BEGIN: transaction {name} has already begun")
        self._transactions[name] = _Transaction()

    def _commit(self, frame: Frame, batch: Batch) -> None:
        name = _need(frame, "transaction")
        transaction = self._transaction(frame.cmd, name)
        del self._transactions[name]
        whole = Batch()
        for part in transaction.frames:
            self._handle_checked(part, whole)
        batch += whole

    def _abort(self, frame: Frame, batch: Batch) -> None:  # noqa: ARG002
        name = _need(frame, "transaction")
        self._transaction(frame.cmd, name)
        del self._transactions[name]

    def _disconnect(self, frame: Frame, batch: Batch) -> None:  # noqa: ARG002
        batch.after.append(partial(setattr, self, "_ending", True))

    # Outgoing

    @property
    def has_room(self) -> bool:
        """Whether more may be queued for sending."""
        return self._room.is_set() and not self._ending

    def deliver(self, delivery: Delivery, message: Message) -> None:
        """Send a message to one of this connection's subscriptions."""
        subscription = delivery.subscription
        message_id = message.headers["message-id"]
        key = _key(message_id, subscription.name)
        self._unanswered[key] = delivery
        headers = {
            **message.headers,
            "destination": subscription.destination,
            "subscription": subscription.name,
        }
        if self._version != "1.1" and subscription.ack != "auto":
            headers["ack"] = key
        if message.redeliveries:
            headers["redelivered"] = "true"
        self._put("MESSAGE", headers, message.body, key if subscription.ack == "auto" else None)

    def lag(self) -> None:
        """End a connection that does not read what its topic sends."""
        self._log.warning("slow_subscriber")
        self._writer.transport.abort()

    def _put(
        self, cmd: str, headers: dict[str, str], body: bytes = b"", key: str | None = None
    ) -> None:
        """Queue a frame; `key` is the delivery that its sending answers."""
        data = dump(cmd, headers, body)
        self._outbox.append((data, key))
        self._outbox_size += len(data)
        if self._outbox_size >= OUTBOX_LIMIT:
            self._room.clear()
        self._wake.set()

    async def _send_all(self) -> None:
        """Send what is put in the outbox, and heart-beats where there is nothing."""
        try:
            while self._outbox or not self._ending:
                try:
                    async with asyncio.timeout(self._send_every_s):
                        await self._wake.wait()
                except TimeoutError:
                    self._writer.write(b"\n")
                self._wake.clear()
                await self._send_outbox()
        except (OSError, TimeoutError, StoreError) as error:
            self._log.info("sending_ended", error=str(error) or "the client does not read")
            self._writer.transport.abort()
            self._room.set()

    async def _send_outbox(self) -> None:
        sent, self._outbox = self._outbox, deque()
        self._outbox_size = 0
        self._writer.writelines(data for data, _ in sent)
        async with asyncio.timeout(STALL_LIMIT_S):
            await self._writer.drain()
        batch = Batch()
        keys = [key for _, key in sent if key is not None]
        self._broker.acknowledge(
            batch, [self._unanswered.pop(k) for k in keys if k in self._unanswered]
        )
        await self._broker.carry_out(batch)
        if not self._room.is_set():
            self._room.set()
            for destination in {s.destination for s in self._subscriptions.values()}:
                self._broker.dispatch(destination)


_HANDLERS = {
    "CONNECT": Session._connect,
    "STOMP": Session._connect,
    "SEND": Session._send,
    "SUBSCRIBE": Session._subscribe,
    "UNSUBSCRIBE": Session._unsubscribe,
    "ACK": Session._answer,
    "NACK": Session._answer,
    "BEGIN": Session._begin,
    "COMMIT": Session._commit,
    "ABORT": Session._abort,
    "DISCONNECT": Session._disconnect,
}


def _need(frame: Frame, header: str) -> str:
    value = frame.headers.get(header)
    if not value:
        raise Refused(f"{frame.cmd}: the header {header} is missing")
    return value


def _key(message_id: str, subscription: str) -> str:
    return f"{message_id}/{subscription}"


def _receipt_of(error: Exception) -> dict[str, str]:
    notes = [note for note in getattr(error, "__notes__", []) if note]
    return {"receipt-id": notes[0]} if notes else {}


def _heart_beat(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(p.strip().isdecimal() for p in parts):
        raise Refused("heart-beat: wants two numbers of milliseconds, such as 10000,10000")
    return int(parts[0]), int(parts[1])
