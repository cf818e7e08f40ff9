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

GIVE_SPACE_BACK_S = 600.0


class Settings(ServiceSettings):
    """Settings of the embedded broker."""

    broker_host: str = Field("127.0.0.1", description="address to listen on")
    broker_port: int = Field(61613, gt=0, lt=65536)
    broker_database: Path = Field(description="SQLite file that holds the messages")
    broker_producer_password: SecretStr = Field(description=f"of the user {BROKER_PRODUCER}")
    broker_ingester_password: SecretStr = Field(description=f"of the user {BROKER_INGESTER}")
    scan_topic: str = SCAN_TOPIC
    ingest_queue: str = INGEST_QUEUE
    broker_redeliveries: int = Field(4, ge=0, description="deliveries after a NACK, then dead")
    broker_redelivery_s: float = Field(1.0, gt=0, description="wait before the first of them")
    broker_redelivery_factor: float = Field(2.0, ge=1, description="by which the wait grows")
    broker_redelivery_longest_s: float = Field(60.0, gt=0)
    broker_prefetch: int = Field(100, gt=0, description="unanswered messages per subscription")
    broker_connections: int = Field(200, gt=0, description="at the same time")
    broker_store_mib: int = Field(2048, gt=0, description="the database grows to this and no more")

    def users(self) -> dict[str, User]:
        """Who may log in, and what they may do."""
        scans, kept = topic(self.scan_topic), queue(self.ingest_queue)
        dead = queue(DEAD_LETTER_PREFIX + self.ingest_queue)
        return {
            BROKER_PRODUCER: User(
                self.broker_producer_password, send=frozenset({scans}), read=frozenset()
            ),
            # Sends to its own queue when an operator has dead letters tried again.
            BROKER_INGESTER: User(
                self.broker_ingester_password,
                send=frozenset({kept, dead}),
                read=frozenset({scans, kept, dead}),
            ),
        }

    def redelivery(self) -> Redelivery:
        """What follows a NACK."""
        return Redelivery(
            self.broker_redeliveries,
            self.broker_redelivery_s,
            self.broker_redelivery_factor,
            self.broker_redelivery_longest_s,
        )


class Server:
    """Accepts connections for one broker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._users = settings.users()
        self._store = Store(settings.broker_database, settings.broker_store_mib * 1024 * 1024)
        copies = {settings.scan_topic: settings.ingest_queue}
        self._broker = Broker(self._store, settings.redelivery(), copies)
        self._sessions: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            OSError: the port cannot be had.
        """
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        host, port = self._settings.broker_host, self._settings.broker_port
        server = await asyncio.start_server(self._accept, host, port)
        self._broker.restore()
        upkeep = asyncio.create_task(self._upkeep())
        log.info("listening", host=host, port=port, database=str(self._store.path))
        notify_systemd()
        await stop.wait()
        log.info("stopping", connections=len(self._sessions))
        server.close()
        upkeep.cancel()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(upkeep, *self._sessions, return_exceptions=True)
        await self._store.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= self._settings.broker_connections:
            log.warning("too_many_connections", limit=self._settings.broker_connections)
            writer.close()
            return
        prefetch = self._settings.broker_prefetch
        session = Session(self._broker, self._users, prefetch, reader, writer)
        task = asyncio.create_task(session.run())
        self._sessions.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sessions.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("session_failed", exc_info=error)

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(GIVE_SPACE_BACK_S)
            try:
                await self._store.shrink()
            except StoreError as error:
                log.warning("space_not_given_back", error=str(error))


def _describe() -> str:
    lines = ["settings (a secret X may come as a file that X_FILE names):"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"default {field.default}"
        lines.append(f"  TOMOBEAM_{name.upper()}: {field.description or ''} ({default})")
    return "\n".join(lines)


def main() -> None:
    """Run the broker."""
    argparse.ArgumentParser(
        prog="tomobeam-devbroker",
        description="An embedded STOMP broker for one machine.",
        epilog=_describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = Settings.load()
    except SettingsError as error:
        fail(str(error))
    logs.configure("devbroker", settings.log_level, settings.log_format)
    try:
        asyncio.run(Server(settings).run())
    except StoreError as error:
        fail(f"TOMOBEAM_BROKER_DATABASE: {error}", 1)
    except OSError as error:
        where = f"port {settings.broker_port} on {settings.broker_host}"
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        fail(f"TOMOBEAM_BROKER_PORT: {where} {why}", 1)


if __name__ == "__main__":
    main()
