"""Passes a browser's connections on to the page and keeps what comes back."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import Self


class Recorder:
    """A TCP relay on a free port; `received` is every byte that went to the browser."""

    def __init__(self, target: int) -> None:
        self._target = ("127.0.0.1", target)
        self._chunks: list[bytes] = []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer._relay(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    @property
    def received(self) -> bytes:
        return b"".join(self._chunks)

    def _relay(self, browser: socket.socket) -> None:
        with socket.create_connection(self._target) as page:
            asking = threading.Thread(target=_copy, args=(browser, page, None), daemon=True)
            asking.start()
            _copy(page, browser, self._chunks)
            asking.join(timeout=1)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _copy(source: socket.socket, sink: socket.socket, kept: list[bytes] | None) -> None:
    try:
        while data := source.recv(65536):
            if kept is not None:
                kept.append(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
