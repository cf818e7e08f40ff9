"""Mirrors the children of a container of Tiled: told by its stream, checked now and then."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tomobeam_common import logs
from tomobeam_common.tiled import Node, TiledError, TiledNotFound, TiledRefused, TiledUnavailable
from tomobeam_webapp.context import Context
from tomobeam_webapp.live.mirror import Body, Mirror

_log = logs.get(__name__)
RETRY_S = 2.0
# How often the list is read where the stream is not to be had.
POLL_S = 5.0
LISTEN_S = 1.0
AWAY = (
    "The image store does not answer. What you marked is kept; the page goes on by itself "
    "when it is back."
)
REFUSED = "The image store refuses this page's key. The operator of the platform can put it right."
# A stream is only told of what is created after it was opened.
_TOLD = frozenset({"container-child-created", "container-child-metadata-updated"})

Describe = Callable[[Node], Body | None]


class TreeFeed:
    """Keeps the feed `name` equal to the children of the container of that path."""

    def __init__(self, context: Context, mirror: Mirror, name: str, describe: Describe) -> None:
        self._context = context
        self._tiled = context.tiled
        self._mirror = mirror
        self._name = name
        self._describe = describe
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Follow until the event is set; Tiled may be away at any time and for long."""
        self._stop = stop
        while not stop.is_set():
            pause = RETRY_S
            try:
                self._sync()
                with self._open_stream() as stream:
                    # Again: what came between is in neither.
                    self._sync()
                    self._follow(stream)
            except TiledRefused as error:
                self._report(REFUSED, error)
            except TiledUnavailable as error:
                self._report(AWAY, error)
            except (TiledError, WebSocketException, OSError) as error:
                # Tiled answered, so the list is right; the next look is after the pause.
                _log.info("stream of Tiled is closed", feed=self._name, reason=str(error))
                pause = POLL_S
            stop.wait(pause)

    def _open_stream(self) -> Connection:
        parts = urlsplit(self._tiled.url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        path = f"{parts.path.rstrip('/')}/api/v1/stream/single/{self._name}"
        key = self._context.settings.tiled_api_key.get_secret_value()
        return connect(
            urlunsplit((scheme, parts.netloc, path, "envelope_format=json", "")),
            additional_headers={"Authorization": f"Apikey {key}"},
            open_timeout=10,
            # The announcement of a stack names each of its files.
            max_size=None,
        )

    def _follow(self, stream: Connection) -> None:
        silent_s = 0.0
        while not self._stop.is_set():
            try:
                message = stream.recv(timeout=LISTEN_S)
            except TimeoutError:
                silent_s += LISTEN_S
                if silent_s >= self._context.settings.webapp_resync_seconds:
                    silent_s = 0.0
                    self._sync()
                continue
            key = _child(message)
            if key:
                self._update(key)

    def _sync(self) -> None:
        try:
            nodes = list(self._tiled.children(self._name))
        except TiledNotFound:
            nodes = []  # Made with the first scan.
        described = [(node.key, self._describe(node)) for node in nodes]
        self._mirror.replace(self._name, [(key, body) for key, body in described if body])

    def _update(self, key: str) -> None:
        node = self._tiled.node(f"{self._name}/{key}")
        body = self._describe(node) if node else None
        if body:
            self._mirror.put(self._name, key, body)

    def _report(self, sentence: str, error: Exception) -> None:
        if self._mirror.state(self._name).fault != sentence:
            _log.warning("Tiled is away", feed=self._name, reason=str(error))
        self._mirror.fault(self._name, sentence)


def _child(message: str | bytes) -> str | None:
    try:
        body: Any = json.loads(message)
    except ValueError:
        return None
    if not isinstance(body, dict) or body.get("type") not in _TOLD:
        return None
    key = body.get("key")
    return key if isinstance(key, str) else None
