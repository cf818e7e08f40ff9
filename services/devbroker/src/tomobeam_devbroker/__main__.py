"""`tomobeam-devbroker`: run the broker; its settings are environment variables."""

from __future__ import annotations

import argparse
import asyncio
import errno
import signal
from pathlib import Path

from pydantic import Field, SecretStr

from tomobeam_common import logs
from tomobeam_common.health import notify_systemd
from tomobeam_common.settings import ServiceSettings, SettingsError, fail
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    BROKER_PRODUCER,
    DEAD_LETTER_PREFIX,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)
from tomobeam_devbroker.broker import Broker, Redelivery
from tomobeam_devbroker.session import Session, User
from tomobeam_devbroker.store import Store, StoreError

log = logs.get(__name__)

MAX_CONNECTIONS = 200
SHRINK_EVERY_S = 600.0


class Settings(ServiceSettings):
    """Settings of the embedded broker."""

    broker_host: str = Field("127.0.0.1", description="address to listen on")
    broker_port: int = Field(61613, gt=0, lt=65536, description="port to listen on")
    broker_database: Path = Field(description="SQLite file that holds the messages")
    broker_producer_password: SecretStr = Field(description=f"of the user {BROKER_PRODUCER}")
    broker_ingester_password: SecretStr = Field(description=f"of the user {BROKER_INGESTER}")
    scan_topic: str = Field(SCAN_TOPIC, description="topic on which scans are announced")
    ingest_queue: str = Field(INGEST_QUEUE, description="queue that keeps what the topic gets")
    broker_redeliveries: int = Field(4, ge=0, description="deliveries after a NACK; then dead")
    broker_redelivery_s: float = Field(1.0, gt=0, description="wait before the first; doubles")
    broker_redelivery_longest_s: float = Field(60.0, gt=0, description="wait before any")
    broker_store_mib: int = Field(2048, gt=0, description="the database grows to this, no more")


def users(settings: Settings) -> dict[str, User]:
    """Who may log in, and what they may do."""
    scans, kept = topic(settings.scan_topic), queue(settings.ingest_queue)
    dead = queue(DEAD_LETTER_PREFIX + settings.ingest_queue)
    producer = User(settings.broker_producer_password, frozenset({scans}), frozenset())
    # It sends to its own queue when an operator has dead letters tried again.
    ingester = User(
        settings.broker_ingester_password, frozenset({kept, dead}), frozenset({scans, kept, dead})
    )
    return {BROKER_PRODUCER: producer, BROKER_INGESTER: ingester}


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        StoreError: the database cannot be used.
        OSError: the port cannot be had.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = Store(settings.broker_database, settings.broker_store_mib * 1024 * 1024)
    redelivery = Redelivery(
        settings.broker_redeliveries,
        settings.broker_redelivery_s,
        settings.broker_redelivery_longest_s,
    )
    broker = Broker(store, redelivery, {settings.scan_topic: settings.ingest_queue})
    known = users(settings)
    sessions: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(sessions) >= MAX_CONNECTIONS:
            log.warning("too_many_connections", limit=MAX_CONNECTIONS)
            writer.close()
            return
        task = asyncio.create_task(Session(broker, known, reader, writer).run())
        sessions.add(task)
        task.add_done_callback(sessions.discard)
        await asyncio.wait({task})

    server = await asyncio.start_server(accept, settings.broker_host, settings.broker_port)
    log.info("listening", port=settings.broker_port, waiting=broker.restore())
    notify_systemd()
    upkeep = asyncio.create_task(_upkeep(store))
    await stop.wait()
    log.info("stopping", connections=len(sessions))
    server.close()
    for task in (upkeep, *sessions):
        task.cancel()
    await asyncio.gather(upkeep, *sessions, return_exceptions=True)
    await store.close()


async def _upkeep(store: Store) -> None:
    while True:
        await asyncio.sleep(SHRINK_EVERY_S)
        try:
            await store.shrink()
        except StoreError as error:
            log.warning("not_shrunk", error=str(error))


def main() -> None:
    """Run the broker."""
    lines = [
        f"  TOMOBEAM_{name.upper()}: {field.description or field.default}"
        for name, field in Settings.model_fields.items()
    ]
    argparse.ArgumentParser(
        prog="tomobeam-devbroker",
        description="An embedded STOMP broker for one machine.",
        epilog="\n".join(["settings (a secret X may be in a file that X_FILE names):", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = Settings.load()
    except SettingsError as error:
        fail(str(error))
    logs.configure("devbroker", settings.log_level, settings.log_format)
    try:
        asyncio.run(serve(settings))
    except StoreError as error:
        fail(f"TOMOBEAM_BROKER_DATABASE: {error}", 1)
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error}"
        where = f"port {settings.broker_port} on {settings.broker_host}"
        fail(f"TOMOBEAM_BROKER_PORT: {where} {why}", 1)


if __name__ == "__main__":
    main()
