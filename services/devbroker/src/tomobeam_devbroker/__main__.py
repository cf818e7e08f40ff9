"""`tomobeam-devbroker`: run the broker; its settings are environment variables."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from pydantic import Field, SecretStr

from tomobeam_common import logs
from tomobeam_common.health import notify_systemd
from tomobeam_common.settings import ServiceSettings, SettingsError, fail
from tomobeam_contracts import destinations
from tomobeam_devbroker.broker import Broker
from tomobeam_devbroker.frames import MAX_FRAME
from tomobeam_devbroker.session import Session, User
from tomobeam_devbroker.store import Store, StoreError

log = logs.get(__name__)


class Settings(ServiceSettings):
    """Settings of the embedded broker."""

    broker_port: int = Field(61613, gt=0, lt=65536, description="port to listen on")
    broker_database: Path = Field(description="SQLite file that holds the messages")
    broker_producer_password: SecretStr
    broker_ingester_password: SecretStr
    scan_topic: str = destinations.SCAN_TOPIC
    ingest_queue: str = Field(destinations.INGEST_QUEUE, description="keeps what the topic gets")
    broker_redeliveries: int = Field(4, ge=0, description="deliveries after a NACK; then dead")
    broker_redelivery_s: float = Field(1.0, gt=0, description="wait before the first; doubles")


def users(settings: Settings) -> dict[str, User]:
    """Who may log in, and what they may do."""
    scans, kept = destinations.topic(settings.scan_topic), destinations.queue(settings.ingest_queue)
    dead = destinations.queue(destinations.DEAD_LETTER_PREFIX + settings.ingest_queue)
    producer = User(settings.broker_producer_password, send={scans}, read=set())
    # It sends to its own queue when an operator has dead letters tried again.
    ingester = User(settings.broker_ingester_password, {kept, dead}, {scans, kept, dead})
    return {destinations.BROKER_PRODUCER: producer, destinations.BROKER_INGESTER: ingester}


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        StoreError: the database cannot be used, or no longer.
        OSError: the port cannot be had.
    """
    loop = asyncio.get_running_loop()
    end: asyncio.Future[None] = loop.create_future()
    sessions: set[asyncio.Task[None]] = set()

    def stop(error: StoreError | None = None) -> None:
        if not end.done():
            end.set_exception(error) if error else end.set_result(None)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not a coroutine: asyncio calls it an error when such a one is cancelled.
        task = loop.create_task(Session(broker, known, reader, writer).run())
        sessions.add(task)
        task.add_done_callback(sessions.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    known = users(settings)
    store = Store(settings.broker_database, failed=stop)
    copies = {settings.scan_topic: settings.ingest_queue}
    broker = Broker(store, copies, settings.broker_redeliveries, settings.broker_redelivery_s)
    where = settings.listen_address, settings.broker_port
    server = await asyncio.start_server(accept, *where, limit=MAX_FRAME)
    log.info("listening", port=settings.broker_port)
    notify_systemd()
    try:
        await end
    finally:
        server.close()
        for task in sessions:
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        store.close()
        log.info("stopped")


def main() -> None:
    """Run the broker."""
    fields = Settings.model_fields.items()
    told = [f"TOMOBEAM_{name.upper()}: {f.description}" for name, f in fields if f.description]
    argparse.ArgumentParser(
        prog="tomobeam-devbroker",
        description=__doc__,
        epilog="\n".join(told),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = Settings.load()
        logs.configure("devbroker", settings.log_level, settings.log_format)
        asyncio.run(serve(settings))
    except SettingsError as error:
        fail(str(error))
    except StoreError as error:
        fail(f"TOMOBEAM_BROKER_DATABASE: {error}", 1)
    except OSError as error:
        fail(f"TOMOBEAM_BROKER_PORT: {error.strerror}", 1)


if __name__ == "__main__":
    main()
