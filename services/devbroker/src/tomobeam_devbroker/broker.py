"""Queues, subscriptions, redelivery and dead letters.

What a connection asks for is gathered in a `Batch`: first the database takes it, then memory
follows and the answers go out. So nothing is answered or delivered that a crash could undo.
"""

from __future__ import annotations

import asyncio
import heapq
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tomobeam_common import logs
from tomobeam_contracts.destinations import DEAD_LETTER_PREFIX, queue, topic
from tomobeam_devbroker.store import (
    Change,
    Message,
    Store,
    StoreError,
    delete,
    insert,
    move,
    postpone,
)

if TYPE_CHECKING:
    from tomobeam_devbroker.session import Session

log = logs.get(__name__)

READ_AGAIN_S = 5.0


@dataclass(frozen=True)
class Redelivery:
    """What follows a NACK: `limit` deliveries more, each after twice the wait, then the end.

    `first_s` is the wait before the first of them and `longest_s` before any, in seconds.
    """

    limit: int
    first_s: float
    longest_s: float

    def wait(self, failures: int) -> float:
        """Seconds until the delivery after `failures` that failed before."""
        return min(self.first_s * 2.0 ** min(failures, 64), self.longest_s)


@dataclass(eq=False)
class Subscription:
    """One SUBSCRIBE. `outstanding` counts what was delivered and not yet answered."""

    name: str
    destination: str
    ack: str
    prefetch: int
    receiver: Session
    outstanding: int = 0
    open: bool = True

    @property
    def wants_more(self) -> bool:
        """Whether a message may be delivered now."""
        return self.open and self.outstanding < self.prefetch and self.receiver.has_room


@dataclass(eq=False)
class Delivery:
    """A message on its way to a subscription. `row` is None for one of a topic: nothing is kept."""

    subscription: Subscription
    row: int | None
    message_id: str
    redeliveries: int = 0


@dataclass
class Batch:
    """Changes for the database, and what to do once they are on disk."""

    changes: list[Change] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)


class Broker:
    """The queues and topics of one broker."""

    def __init__(self, store: Store, redelivery: Redelivery, copies: Mapping[str, str]) -> None:
        """`copies` maps a topic to the queue that keeps what is sent to it."""
        self._store = store
        self._redelivery = redelivery
        self._copies = {topic(source): queue(kept) for source, kept in copies.items()}
        self._ready: defaultdict[str, list[int]] = defaultdict(list)
        self._subscriptions: defaultdict[str, deque[Subscription]] = defaultdict(deque)

    def restore(self) -> int:
        """Take up the messages that the database holds; their number."""
        count = 0
        for row, destination, due in self._store.rows():
            self._push_at(destination, row, due)
            count += 1
        return count

    async def carry_out(self, batch: Batch) -> None:
        """Write a batch, then follow it up.

        Raises:
            StoreError: nothing of it was done.
        """
        await self._store.write(batch.changes)
        for step in batch.after:
            step()

    def send(self, batch: Batch, destination: str, headers: Mapping[str, str], body: bytes) -> None:
        """Accept a message for a queue or a topic."""
        marks = {
            "message-id": f"ID:{uuid.uuid4()}",
            "timestamp": str(time.time_ns() // 1_000_000),
            "persistent": "true",
        }
        message = Message({**headers, **marks}, body)
        kept = destination if destination.startswith("/queue/") else self._copies.get(destination)
        if kept is not None:
            row = self._store.new_row()
            batch.changes.append(insert(row, kept, message))
            batch.after.append(lambda: self._push(kept, row))
        if kept != destination:
            batch.after.append(lambda: self._publish(destination, message))

    def acknowledge(self, batch: Batch, deliveries: Iterable[Delivery]) -> None:
        """These were handled."""
        for delivery in deliveries:
            if delivery.row is not None:
                batch.changes.append(delete(delivery.row))
            batch.after.append(lambda d=delivery: self._settled(d))

    def reject(self, batch: Batch, deliveries: Iterable[Delivery]) -> None:
        """These could not be handled: deliver them later, or never again."""
        for delivery in deliveries:
            batch.after.append(lambda d=delivery: self._settled(d))
            row, destination = delivery.row, delivery.subscription.destination
            if row is None:
                continue
            if delivery.redeliveries < self._redelivery.limit:
                due = time.time() + self._redelivery.wait(delivery.redeliveries)
                batch.changes.append(postpone(row, delivery.redeliveries + 1, due))
                batch.after.append(lambda a=(destination, row, due): self._push_at(*a))
                continue
            dead = queue(DEAD_LETTER_PREFIX + destination.removeprefix("/queue/"))
            batch.changes.append(move(row, dead))
            batch.after.append(lambda a=(dead, row): self._push(*a))
            log.warning("dead_letter", message_id=delivery.message_id, of=destination)

    def release(self, batch: Batch, deliveries: Iterable[Delivery]) -> None:
        """Nobody answered for these and nobody will: deliver them again at once, marked."""
        for delivery in deliveries:
            batch.after.append(lambda d=delivery: self._settled(d))
            if delivery.row is not None:
                batch.changes.append(postpone(delivery.row, delivery.redeliveries + 1, 0.0))
                destination = delivery.subscription.destination
                batch.after.append(lambda a=(destination, delivery.row): self._push(*a))

    def attach(self, subscription: Subscription) -> None:
        """Begin to deliver to a subscription."""
        if subscription.open:
            self._subscriptions[subscription.destination].append(subscription)
            self.dispatch(subscription.destination)

    def detach(self, subscription: Subscription) -> None:
        """Deliver no more to a subscription."""
        subscription.open = False
        waiting = self._subscriptions[subscription.destination]
        if subscription in waiting:
            waiting.remove(subscription)

    def dispatch(self, destination: str) -> None:
        """Deliver what is ready to those who want it, in turn."""
        ready, subscriptions = self._ready[destination], self._subscriptions[destination]
        while ready:
            subscription = next((s for s in subscriptions if s.wants_more), None)
            if subscription is None:
                return
            while subscriptions[-1] is not subscription:
                subscriptions.rotate(-1)
            row = heapq.heappop(ready)
            try:
                message = self._store.read(row)
            except StoreError as error:
                log.error("message_unreadable", error=str(error), again_in_s=READ_AGAIN_S)
                self._push_at(destination, row, time.time() + READ_AGAIN_S)
                return
            if message is None:
                continue
            self._deliver(subscription, row, message)

    def _publish(self, destination: str, message: Message) -> None:
        for subscription in list(self._subscriptions[destination]):
            if not subscription.wants_more:
                subscription.receiver.lag()
                continue
            self._deliver(subscription, None, message)

    def _deliver(self, subscription: Subscription, row: int | None, message: Message) -> None:
        subscription.outstanding += 1
        message_id = message.headers["message-id"]
        delivery = Delivery(subscription, row, message_id, message.redeliveries)
        subscription.receiver.deliver(delivery, message)

    def _settled(self, delivery: Delivery) -> None:
        delivery.subscription.outstanding -= 1
        self.dispatch(delivery.subscription.destination)

    def _push(self, destination: str, row: int) -> None:
        heapq.heappush(self._ready[destination], row)
        self.dispatch(destination)

    def _push_at(self, destination: str, row: int, due: float) -> None:
        wait = due - time.time()
        if wait <= 0:
            self._push(destination, row)
        else:
            asyncio.get_running_loop().call_later(wait, self._push, destination, row)
