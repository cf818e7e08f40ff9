"""Queues, subscriptions, redelivery and dead letters."""

from __future__ import annotations

import asyncio
import heapq
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tomobeam_common import logs
from tomobeam_contracts.destinations import DEAD_LETTER_PREFIX, queue, topic
from tomobeam_devbroker.store import Message, Store

log = logs.get(__name__)


@dataclass(eq=False)
class Subscription:
    """One SUBSCRIBE. `outstanding` counts what `deliver` was given and is not yet answered."""

    name: str
    destination: str
    ack: str
    prefetch: int
    deliver: Callable[[Delivery], None]
    outstanding: int = 0


@dataclass(eq=False)
class Delivery:
    """A message on its way to a subscription. `row` is None for one of a topic: nothing is kept."""

    subscription: Subscription
    row: int | None
    message: Message

    @property
    def key(self) -> str:
        """What the subscriber's answer names, unique on its connection."""
        return f"{self.message.headers['message-id']}/{self.subscription.name}"


class Broker:
    """The queues and topics of one broker."""

    def __init__(
        self, store: Store, copies: Mapping[str, str], redeliveries: int, first_wait_s: float
    ) -> None:
        """Take up what the store holds.

        `copies` maps a topic to the queue that keeps its messages. What was refused
        `redeliveries` times and then again is dead; before each it waits, at first
        `first_wait_s`, then twice as long each time, but no longer than 64 times.
        """
        self._store, self.then = store, store.then
        self._copies = {topic(source): queue(kept) for source, kept in copies.items()}
        self._redeliveries, self._first_wait_s = redeliveries, first_wait_s
        self._ready: defaultdict[str, list[int]] = defaultdict(list)
        self._subscriptions: defaultdict[str, list[Subscription]] = defaultdict(list)
        for row, destination, due in store.found:
            self._push(destination, row, due)

    def send(self, destination: str, headers: Mapping[str, str], body: bytes) -> None:
        """Accept a message for a queue or a topic."""
        marks = {"message-id": f"ID:{uuid.uuid4()}", "timestamp": str(time.time_ns() // 1_000_000)}
        message = Message({**headers, **marks}, body)
        kept = destination if destination.startswith("/queue/") else self._copies.get(destination)
        if kept is not None:
            self.then(self._push, kept, self._store.insert(kept, message))
        if kept != destination:
            self.then(self._publish, destination, message)

    def acknowledge(self, delivery: Delivery) -> None:
        """It was handled."""
        if delivery.row is not None:
            self._store.delete(delivery.row)
        self.then(self._settle, delivery)

    def reject(self, delivery: Delivery) -> None:
        """It could not be handled: deliver it later, or never again."""
        failures, of = delivery.message.redeliveries, delivery.subscription.destination
        if failures < self._redeliveries:
            due = time.time() + self._first_wait_s * 2.0 ** min(failures, 6)
            self._put_back(delivery, of, failures + 1, due)
        else:
            log.warning("dead_letter", message_id=delivery.message.headers["message-id"], of=of)
            self._put_back(delivery, queue(DEAD_LETTER_PREFIX + of.removeprefix("/queue/")), 0)

    def release(self, delivery: Delivery) -> None:
        """Nobody answered for it and nobody will: deliver it again at once, marked."""
        of = delivery.subscription.destination
        self._put_back(delivery, of, delivery.message.redeliveries + 1)

    def _put_back(self, delivery: Delivery, to: str, redeliveries: int, due: float = 0.0) -> None:
        self.then(self._settle, delivery)
        if delivery.row is not None:
            self._store.update(delivery.row, to, redeliveries, due)
            self.then(self._push, to, delivery.row, due)

    def attach(self, subscription: Subscription) -> None:
        """Begin to deliver to a subscription."""
        self._subscriptions[subscription.destination].append(subscription)
        self.then(self._dispatch, subscription.destination)

    def detach(self, subscription: Subscription) -> None:
        """Deliver no more to a subscription."""
        self._subscriptions[subscription.destination].remove(subscription)

    def _dispatch(self, destination: str) -> None:
        """Deliver what is ready, each message to the one who has least to do."""
        ready, subscriptions = self._ready[destination], self._subscriptions[destination]
        while ready and (takers := [s for s in subscriptions if s.outstanding < s.prefetch]):
            row = heapq.heappop(ready)
            taker = min(takers, key=lambda s: s.outstanding)
            self._deliver(Delivery(taker, row, self._store.read(row)))

    def _publish(self, destination: str, message: Message) -> None:
        for subscription in self._subscriptions[destination]:
            self._deliver(Delivery(subscription, None, message))

    def _deliver(self, delivery: Delivery) -> None:
        delivery.subscription.outstanding += 1
        delivery.subscription.deliver(delivery)

    def _settle(self, delivery: Delivery) -> None:
        delivery.subscription.outstanding -= 1
        self._dispatch(delivery.subscription.destination)

    def _push(self, destination: str, row: int, due: float = 0.0) -> None:
        """Have a message delivered, when it is due."""
        wait = due - time.time()
        if wait > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(wait, self.then, self._push, destination, row)
        else:
            heapq.heappush(self._ready[destination], row)
            self._dispatch(destination)
