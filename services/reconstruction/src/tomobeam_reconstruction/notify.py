"""Says over STOMP that a scan is ready (wire 1), now or when the broker is back."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Self

import stomp
from pydantic import Field, ValidationError
from stomp.exception import StompException
from stomp.utils import Frame

from tomobeam_common.broker import BrokerAway, BrokerConnection
from tomobeam_common.settings import BrokerSettings
from tomobeam_contracts.destinations import topic
from tomobeam_contracts.scan import ScanReady
from tomobeam_reconstruction.spool import Spool


def default_spool() -> Path:
    """Where a user's programs keep their state (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "tomobeam" / "notify"


class NotifySettings(BrokerSettings):
    """Settings of `tomobeam-notify`."""

    notify_spool: Path = Field(
        default_factory=default_spool, description="folder of messages that wait for the broker"
    )
    notify_tries: int = Field(4, gt=0, description="attempts to reach the broker in one call")
    notify_pause_s: float = Field(
        default=0.5, ge=0, description="after the first attempt; then doubled"
    )
    notify_timeout_s: float = Field(5.0, gt=0, description="wait for each of the broker's answers")


class Unsent(RuntimeError):
    """The broker did not take a message; the text says why."""


class Unreachable(Unsent):
    """The broker did not answer: trying again may help."""


class NotAnnounced(RuntimeError):
    """A message was not sent; `kept` says whether the spool has it."""

    def __init__(self, message: str, *, kept: bool) -> None:
        super().__init__(message)
        self.kept = kept


class _Answers(stomp.ConnectionListener):
    """Hands the broker's answers from stomp.py's thread to the caller's."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._receipts: set[str] = set()
        self.error: str | None = None
        self.connected = self.gone = False

    def on_connected(self, frame: Frame) -> None:  # noqa: ARG002 - stomp.py's signature
        with self._changed:
            self.connected = True
            self._changed.notify_all()

    def on_receipt(self, frame: Frame) -> None:
        with self._changed:
            self._receipts.add(frame.headers.get("receipt-id", ""))
            self._changed.notify_all()

    def on_error(self, frame: Frame) -> None:
        with self._changed:
            self.error = frame.headers.get("message") or str(frame.body)[:200] or "refused"
            self._changed.notify_all()

    def on_disconnected(self) -> None:
        with self._changed:
            self.gone = True
            self._changed.notify_all()

    def wait_for_login(self, limit_s: float) -> bool:
        # stomp.py's own wait takes its timeout for the pause between looks and never ends.
        with self._changed:
            self._changed.wait_for(lambda: self.connected or self.error or self.gone, limit_s)
            return self.connected

    def wait_for_receipt(self, receipt: str, limit_s: float) -> bool:
        with self._changed:
            self._changed.wait_for(
                lambda: receipt in self._receipts or self.error or self.gone, limit_s
            )
            return receipt in self._receipts


class Producer:
    """One connection to the broker, for sending scans."""

    def __init__(self, settings: BrokerSettings, timeout_s: float = 5.0) -> None:
        """Connect and log in.

        Raises:
            Unreachable: nobody answers there. Unsent: the broker refuses us.
        """
        self._destination, self._timeout_s = topic(settings.scan_topic), timeout_s
        self._answers = _Answers()
        self._connection = BrokerConnection(settings, timeout_s)
        self._connection.set_listener("answers", self._answers)
        try:
            self._connection.log_in()
        except BrokerAway as away:
            raise Unreachable(str(away)) from away
        if not self._answers.wait_for_login(timeout_s):
            self.close()
            if self._answers.gone and not self._answers.error:
                raise Unreachable(self._connection.hung_up)
            raise self._unsent("does not answer the login")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        try:
            if self._connection.is_connected():
                self._connection.disconnect()
        except StompException:
            # The message's receipt is what counts; a dead socket has nothing more to say.
            self._connection.transport.disconnect_socket()

    def send(self, body: str) -> None:
        """Send one message and wait until the broker has it safe.

        Raises:
            Unreachable: the connection broke or no receipt came. Unsent: refused.
        """
        receipt = uuid.uuid4().hex
        try:
            self._connection.send(
                self._destination,
                body,
                content_type="application/json",
                headers={"persistent": "true", "receipt": receipt},
            )
        except StompException as error:
            raise self._unsent("broke the connection") from error
        if not self._answers.wait_for_receipt(receipt, self._timeout_s):
            raise self._unsent("gave no receipt")

    def _unsent(self, what: str) -> Unsent:
        if self._answers.error:
            return Unsent(f"{self._connection.where} refuses: {self._answers.error}")
        return Unreachable(f"{self._connection.where} {what}")


def announce(scan: ScanReady, settings: NotifySettings) -> None:
    """Tell the broker of a scan, after all that wait in the spool.

    The message is in the spool before the first attempt, so a call that is killed loses nothing;
    killed between the broker's receipt and the end it sends twice, which the ingester forgives.

    Raises:
        NotAnnounced: not sent; says whether the spool has it.
    """
    body = scan.model_dump_json(by_alias=True, exclude_none=True)
    try:
        spool = Spool(settings.notify_spool)
        message = spool.put(body)
    except OSError as error:
        _send_unspooled(body, settings, error)
        return
    flush(settings, until=lambda: not message.exists())


def flush(settings: NotifySettings, until: Callable[[], bool] = lambda: False) -> int:
    """Send what waits in the spool, in order, unless `until` is true once it is our turn.

    Returns:
        How many messages were sent.

    Raises:
        NotAnnounced: the broker does not take them; they stay.
        OSError: the spool cannot be used.
    """
    spool, sent = Spool(settings.notify_spool), 0
    with spool.sending():
        pause = settings.notify_pause_s
        for attempt in range(1, settings.notify_tries + 1):
            try:
                if until() or not spool.waiting():
                    return sent
                with Producer(settings, settings.notify_timeout_s) as producer:
                    for message in spool.waiting():
                        sent += _send_file(spool, message, producer)
                return sent
            except Unsent as error:
                if attempt == settings.notify_tries or not isinstance(error, Unreachable):
                    kept = len(spool.waiting())
                    raise NotAnnounced(
                        f"{error}; {kept} message{'s' if kept > 1 else ''} kept in {spool.folder}",
                        kept=True,
                    ) from error
            time.sleep(pause)
            pause *= 2
    return sent


def _send_file(spool: Spool, message: Path, producer: Producer) -> bool:
    try:
        body = message.read_text(encoding="utf-8")
        ScanReady.receive_json(body)
    except (UnicodeDecodeError, ValidationError):
        spool.set_aside(message)
        return False
    producer.send(body)
    message.unlink()
    return True


def _send_unspooled(body: str, settings: NotifySettings, why: OSError) -> None:
    try:
        with Producer(settings, settings.notify_timeout_s) as producer:
            producer.send(body)
    except Unsent as error:
        raise NotAnnounced(
            f"{error}; and TOMOBEAM_NOTIFY_SPOOL {settings.notify_spool} cannot be used: "
            f"{why.strerror}: the message is lost, call again",
            kept=False,
        ) from error
