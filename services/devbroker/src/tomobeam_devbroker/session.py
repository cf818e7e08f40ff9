"""One client: its login, its frames, its subscriptions and transactions."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from pydantic import SecretStr
from stomp.utils import Frame

from tomobeam_common import logs
from tomobeam_devbroker.broker import Broker, Delivery, Subscription
from tomobeam_devbroker.connection import Connection
from tomobeam_devbroker.frames import FrameError, dump

log = logs.get(__name__)

VERSIONS = ("1.2", "1.1")
HEART_BEAT_MS = 500
# A beat may be this many times late: clients send theirs when the interval is already over.
BEAT_GRACE = 3.0
PREFETCH = "100"
ACK_MODES = ("auto", "client", "client-individual")
_NUMBER = re.compile(r"[0-9]{1,9}")
_NOT_KEPT = {"destination", "receipt", "transaction", "content-length", "redelivered", "ack"}


class Refused(ValueError):
    """A frame asks for what it may not have; the message tells the client why."""


@dataclass(frozen=True)
class User:
    """Who may log in, and the destinations that they may send to and read from."""

    password: SecretStr
    send: frozenset[str]
    read: frozenset[str]


NOBODY = User(SecretStr(""), frozenset(), frozenset())


@dataclass
class Transaction:
    """What is to be done at its COMMIT, and the deliveries that it answers."""

    steps: list[Callable[[], None]] = field(default_factory=list)
    answered: dict[str, Delivery] = field(default_factory=dict)


class Session:
    """One client, from its first byte to the return of what it left unanswered."""

    def __init__(self, broker: Broker, users: Mapping[str, User], connection: Connection) -> None:
        self._broker, self._users, self._connection = broker, users, connection
        self._log = log.bind(peer=connection.peer)
        self._user = NOBODY
        self._version = VERSIONS[0]
        self._subscriptions: dict[str, Subscription] = {}
        self._transactions: dict[str, Transaction] = {}
        self._unanswered: dict[str, Delivery] = {}
        self._goodbye = False

    async def run(self) -> None:
        """Serve the client until either side ends the connection."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._connection.send_all())
                await self._receive_all()
                self._broker.then(self._connection.put, b"")
        except* OSError as errors:
            self._log.info("connection_lost", reason=str(errors.exceptions[0]) or "silence")
            self._connection.abort()
        finally:
            self._connection.close()
            self._leave()

    async def _receive_all(self) -> None:
        frame = None
        try:
            while not self._goodbye:
                frame = None
                frame = await self._connection.receive()
                self._handle(frame)
        except asyncio.IncompleteReadError:
            return
        except (FrameError, Refused) as error:
            self._log.warning("refused", reason=str(error))
            asked = frame.headers if frame is not None else {}
            named = {"receipt-id": asked["receipt"]} if "receipt" in asked else {}
            self._answer("ERROR", {"message": str(error), **named}, str(error).encode())
            await self._connection.linger()

    def _leave(self) -> None:
        for subscription in self._subscriptions.values():
            self._broker.detach(subscription)
        for transaction in self._transactions.values():
            self._unanswered |= transaction.answered
        self._log.info("disconnected", returned=len(self._unanswered))
        self._release(list(self._unanswered))

    def _release(self, keys: list[str]) -> None:
        for key in keys:
            self._broker.release(self._unanswered.pop(key))

    def _answer(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Send a frame once all that was asked before is on disk."""
        self._broker.then(self._connection.put, dump(command, headers, body))

    def deliver(self, delivery: Delivery) -> None:
        """Send a message to one of this client's subscriptions."""
        subscription, message = delivery.subscription, delivery.message
        self._unanswered[delivery.key] = delivery
        headers = message.headers | {
            "destination": subscription.destination,
            "subscription": subscription.name,
        }
        if message.redeliveries:
            headers["redelivered"] = "true"
        sent = None
        if subscription.ack == "auto":
            sent = partial(self._sent, delivery)
        elif self._version != "1.1":
            headers["ack"] = delivery.key
        self._connection.put(dump("MESSAGE", headers, message.body), sent)

    def _sent(self, delivery: Delivery) -> None:
        """Acknowledge what nobody will."""
        if self._unanswered.pop(delivery.key, None) is not None:
            self._broker.acknowledge(delivery)

    def _handle(self, frame: Frame) -> None:
        if (self._user is NOBODY) != (frame.cmd in ("CONNECT", "STOMP")):
            raise Refused(f"{frame.cmd[:20]}: CONNECT is the first frame, and only that")
        handler = _HANDLERS.get(frame.cmd)
        if handler is None:
            raise Refused(f"{frame.cmd[:20]!r} is no command of STOMP 1.1 or 1.2")
        handler(self, frame)
        if "receipt" in frame.headers:
            self._answer("RECEIPT", {"receipt-id": frame.headers["receipt"]})

    def _connect(self, frame: Frame) -> None:
        asked = [v.strip() for v in frame.headers.get("accept-version", "1.0").split(",")]
        version = next((v for v in VERSIONS if v in asked), None)
        if version is None:
            raise Refused(f"accept-version: {', '.join(VERSIONS)} are spoken here")
        name, given = frame.headers.get("login", ""), frame.headers.get("passcode", "")
        user = self._users.get(name)
        if user is None or not hmac.compare_digest(
            given.encode(), user.password.get_secret_value().encode()
        ):
            raise Refused("login or passcode is wrong")
        theirs, wanted = _heart_beat(frame.headers.get("heart-beat", "0,0"))
        self._connection.beat_s = max(wanted, HEART_BEAT_MS) / 1000 if wanted else None
        patience_s = max(theirs, HEART_BEAT_MS) / 1000 * BEAT_GRACE
        self._connection.receive_within_s = patience_s if theirs else None
        self._user, self._version = user, version
        self._log = self._log.bind(user=name)
        self._log.info("connected", version=version)
        beats = f"{HEART_BEAT_MS},{HEART_BEAT_MS}"
        self._answer("CONNECTED", {"version": version, "heart-beat": beats})

    def _send(self, frame: Frame) -> None:
        destination = _need(frame, "destination")
        if destination not in self._user.send:
            raise Refused(f"SEND: this user may not send to {destination}")
        headers = {k: v for k, v in frame.headers.items() if k not in _NOT_KEPT}
        step = partial(self._broker.send, destination, headers, frame.body or b"")
        self._now_or_at_commit(frame, [step], {})

    def _subscribe(self, frame: Frame) -> None:
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
        self._subscriptions[name] = Subscription(name, destination, ack, int(prefetch), self)
        self._broker.attach(self._subscriptions[name])

    def _unsubscribe(self, frame: Frame) -> None:
        subscription = self._subscriptions.pop(_need(frame, "id"), None)
        if subscription is None:
            raise Refused("UNSUBSCRIBE: no such id")
        self._broker.detach(subscription)
        self._release([k for k, d in self._unanswered.items() if d.subscription is subscription])

    def _acknowledge(self, frame: Frame) -> None:
        if self._version == "1.1":
            key = f"{_need(frame, 'message-id')}/{_need(frame, 'subscription')}"
        else:
            key = _need(frame, "id")
        delivery = self._unanswered.get(key)
        if delivery is None or delivery.subscription.ack == "auto":
            raise Refused(f"{frame.cmd}: {key} is not waiting for an answer")
        keys = [key]
        if delivery.subscription.ack == "client":
            of_it = delivery.subscription
            keys = [k for k, d in self._unanswered.items() if d.subscription is of_it]
            keys = keys[: keys.index(key) + 1]
        follow = self._broker.acknowledge if frame.cmd == "ACK" else self._broker.reject
        answered = {k: self._unanswered[k] for k in keys}
        self._now_or_at_commit(frame, [partial(follow, d) for d in answered.values()], answered)
        for k in keys:
            del self._unanswered[k]

    def _now_or_at_commit(
        self, frame: Frame, steps: Iterable[Callable[[], None]], answered: dict[str, Delivery]
    ) -> None:
        if "transaction" in frame.headers:
            transaction = self._transactions[self._begun(frame)]
            transaction.steps += steps
            transaction.answered |= answered
        else:
            for step in steps:
                step()

    def _begun(self, frame: Frame) -> str:
        name = _need(frame, "transaction")
        if name not in self._transactions:
            raise Refused(f"{frame.cmd}: no transaction {name} has begun")
        return name

    def _begin(self, frame: Frame) -> None:
        name = _need(frame, "transaction")
        if name in self._transactions:
            raise Refused(f"BEGIN: transaction {name} has already begun")
        self._transactions[name] = Transaction()

    def _commit(self, frame: Frame) -> None:
        for step in self._transactions.pop(self._begun(frame)).steps:
            step()

    def _abort(self, frame: Frame) -> None:
        self._unanswered |= self._transactions.pop(self._begun(frame)).answered

    def _disconnect(self, _frame: Frame) -> None:
        self._goodbye = True


_HANDLERS = {
    "CONNECT": Session._connect,
    "STOMP": Session._connect,
    "SEND": Session._send,
    "SUBSCRIBE": Session._subscribe,
    "UNSUBSCRIBE": Session._unsubscribe,
    "ACK": Session._acknowledge,
    "NACK": Session._acknowledge,
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


def _heart_beat(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(_NUMBER.fullmatch(p.strip()) for p in parts):
        raise Refused("heart-beat: wants two numbers of milliseconds, such as 10000,10000")
    return int(parts[0]), int(parts[1])
