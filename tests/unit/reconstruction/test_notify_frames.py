"""What `announce` puts on the wire, read from a socket, and what silence does to it."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from tomobeam_contracts.scan import ScanReady
from tomobeam_reconstruction.notify import NotAnnounced, NotifySettings, announce

Answer = Callable[[str], str]


class Peer(threading.Thread):
    """Reads STOMP frames and answers them as `answer` says."""

    def __init__(self, listener: socket.socket, answer: Answer) -> None:
        super().__init__(daemon=True)
        self.frames: list[str] = []
        self._listener, self._answer = listener, answer

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        pending = b""
        while data := connection.recv(4096):
            *frames, pending = (pending + data).split(b"\0")
            for frame in frames:
                text = frame.decode().lstrip("\n")
                self.frames.append(text)
                if answer := self._answer(text):
                    connection.sendall(answer.encode() + b"\0")


@contextmanager
def peer(folder: Path, answer: Answer) -> Iterator[tuple[Peer, NotifySettings]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Peer(listener, answer)
        thread.start()
        settings = NotifySettings(
            broker_port=listener.getsockname()[1],
            broker_user="beamline",
            broker_password=SecretStr("hidden"),
            notify_spool=folder / "spool",
            notify_tries=1,
            notify_timeout_s=0.5,
        )
        yield thread, settings
        listener.shutdown(socket.SHUT_RDWR)


def willing(frame: str) -> str:
    if frame.startswith(("STOMP", "CONNECT")):
        return "CONNECTED\nversion:1.2\n\n"
    receipt = re.search(r"^receipt:(.*)$", frame, re.MULTILINE)
    return f"RECEIPT\nreceipt-id:{receipt[1]}\n\n" if receipt else ""


SCAN = ScanReady(filePath="/data/x_processed.nxs")


def test_a_text_message_that_survives_the_broker(tmp_path: Path) -> None:
    with peer(tmp_path, willing) as (there, settings):
        announce(SCAN, settings)
        send = next(f for f in there.frames if f.startswith("SEND"))
    head, body = send.split("\n\n", 1)
    assert body == '{"filePath":"/data/x_processed.nxs"}'
    # ActiveMQ makes a TextMessage only of a frame without content-length.
    assert "content-length" not in head
    assert "persistent:true" in head
    assert "destination:/topic/org.dawnsci.file.topic" in head
    assert not list(settings.notify_spool.glob("*.json"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda frame: "", "does not answer the login"),
        (lambda frame: "" if frame.startswith("SEND") else willing(frame), "gave no receipt"),
        (
            lambda frame: (
                "ERROR\nmessage:not allowed there\n\n"
                if frame.startswith("SEND")
                else willing(frame)
            ),
            "refuses: not allowed there",
        ),
        (
            lambda frame: "ERROR\nmessage:User name or password is invalid.\n\n",
            "refuses: User name or password is invalid.",
        ),
    ],
)
def test_no_receipt_no_loss(answer: Answer, sentence: str, tmp_path: Path) -> None:
    with (
        peer(tmp_path, answer) as (_, settings),
        pytest.raises(NotAnnounced, match=sentence) as unsent,
    ):
        announce(SCAN, settings)
    assert unsent.value.kept
    assert "hidden" not in str(unsent.value)
    assert len(list(settings.notify_spool.glob("*.json"))) == 1
