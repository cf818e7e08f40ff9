"""The connection to the STOMP broker: plain, or over TLS where the settings name a CA."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

import stomp
from stomp.connect import BaseConnection
from stomp.exception import NotConnectedException, StompException
from stomp.protocol import Protocol12
from stomp.transport import Transport
from stomp.utils import Frame

from tomobeam_common.settings import BrokerSettings
from tomobeam_common.tls import Mistrust, shake_hands

# The longest TLS record: with less, a part of one would wait in OpenSSL, unseen by select.
RECORD = 16384


class BrokerAway(ConnectionError):
    """No connection came about; the message says with whom and why."""


class _Transport(Transport):
    """stomp.py 9 takes the end of a TLS connection for a pause in it: it spins and tells nobody.

    It also leaves its reader behind when it closes one, and waits for the broker's goodbye
    without a limit.
    """

    def receive(self) -> bytes:
        link: Any = self.socket
        try:
            data = link.recv(RECORD)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            data = b""
        if not data:
            self.running = False
        return data

    def transmit(self, frame: Frame) -> None:
        try:
            super().transmit(frame)
        except (OSError, AttributeError) as error:
            # AttributeError: the reader took the socket away in between.
            raise NotConnectedException from error

    def disconnect_socket(self) -> None:
        """Have the reader see the end; it closes the socket and tells the listeners."""
        self.running = False
        link: Any = self.socket
        if link is not None:
            with suppress(OSError):  # It was gone already.
                link.shutdown(socket.SHUT_RDWR)


class BrokerConnection(stomp.Connection12):
    """STOMP 1.2 to one broker, never connecting again by itself.

    `options` are those of stomp.py's `Protocol12`, such as `heart_beat_receive_scale`.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        timeout_s: float,
        *,
        heartbeats: tuple[int, int] = (0, 0),
        auto_decode: bool = True,
        **options: Any,
    ) -> None:
        self._settings, self._timeout_s = settings, timeout_s
        address = (settings.broker_host, settings.broker_port)
        transport = _Transport(
            [address],
            # Else a host that is its own broker would be asked at 127.0.0.1 instead, without TLS.
            try_loopback_connect=False,
            reconnect_attempts_max=1,
            reconnect_sleep_initial=0.0,
            timeout=timeout_s,
            auto_decode=auto_decode,
        )
        BaseConnection.__init__(self, transport)
        # Without content-length ActiveMQ makes a TextMessage of it, as existing consumers want.
        Protocol12.__init__(self, transport, heartbeats, auto_content_length=False, **options)
        if settings.broker_tls_ca is not None:
            self.set_ssl([address], ca_certs=str(settings.broker_tls_ca))

    @property
    def where(self) -> str:
        """The broker, for a sentence."""
        return f"the broker at {self._settings.broker_host}:{self._settings.broker_port}"

    @property
    def hung_up(self) -> str:
        """What to say of a broker that closes the connection instead of answering the login."""
        plain = self._settings.broker_tls_ca is None
        return f"{self.where} closed the connection at the login" + (
            ": does it want TLS (TOMOBEAM_BROKER_TLS_CA)?" if plain else ""
        )

    def log_in(self) -> None:
        """Connect and send the login; the answer comes to the listeners.

        Raises:
            BrokerAway: nobody is there, or nobody whom we trust.
        """
        password = self._settings.broker_password
        try:
            self.connect(
                self._settings.broker_user, password.get_secret_value() if password else None
            )
        except (StompException, OSError) as error:
            raise BrokerAway(f"{self.where} {self._why_not()}") from error

    def _why_not(self) -> str:
        """Connect once more to learn the reason, which stomp.py keeps to itself."""
        host, port = self._settings.broker_host, self._settings.broker_port
        try:
            with socket.create_connection((host, port), self._timeout_s) as plain:
                if self._settings.broker_tls_ca is not None:
                    shake_hands(plain, host, self._settings.broker_tls_ca)
        except Mistrust as mistrust:
            return str(mistrust)
        except OSError as error:
            return f"does not answer: {error.strerror or error}"
        return "did not answer at first"
