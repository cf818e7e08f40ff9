"""Small stacks on disk, a plain STOMP client, and a look at what arrived in Tiled."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import httpx
import numpy as np
import stomp
import tifffile
from pydantic import SecretStr

from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_common.tiled import Node, TiledClient
from tomobeam_contracts.destinations import DEAD_LETTER_QUEUE, REASON_HEADER

SHAPE = (4, 5, 6)


def volume(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """Random float32 voxels."""
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def write_images(folder: Path, pattern: str, voxels: np.ndarray, first: int = 0) -> Path:
    """One TIFF a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(voxels, start=first):
        tifffile.imwrite(folder / (pattern % number), image)
    return folder


def write_savu(
    store: Path, name: str, voxels: np.ndarray | None = None, *, step: int = 1, old: bool = True
) -> Path:
    """Savu's layout; returns the `*_processed.nxs`. `old`: nothing was written for an hour."""
    scan = store / f"20260102030405_{name}"
    stack = write_images(
        scan / f"TiffSaver_{step}",
        f"img_{name}_%05d.tiff",
        volume() if voxels is None else voxels,
    )
    processed = scan / f"{name}_processed.nxs"
    if not processed.exists():
        h5py.File(processed, "w").close()
    if old:
        make_old(stack)
    return processed


def make_old(folder: Path) -> None:
    """As if nothing below `folder` had changed for an hour."""
    then = time.time() - 3600
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))


@contextmanager
def stranger(platform: Platform) -> Iterator[stomp.Connection]:
    """A plain client that knows only what `make -s env` prints."""
    known = platform.client_environment()
    host, port = known["TOMOBEAM_BROKER_HOST"], int(known["TOMOBEAM_BROKER_PORT"])
    connection = stomp.Connection([(host, port)])
    connection.connect(known["TOMOBEAM_BROKER_USER"], known["TOMOBEAM_BROKER_PASSWORD"], wait=True)
    try:
        yield connection
    finally:
        connection.disconnect()


def announce(platform: Platform, *bodies: str | bytes | Mapping[str, Any]) -> None:
    """Send messages to the field's topic, each with a receipt."""
    with stranger(platform) as connection:
        for body in bodies:
            raw = json.dumps(body) if isinstance(body, Mapping) else body
            receipt = uuid.uuid4().hex
            done = stomp.listener.WaitingListener(receipt)
            connection.set_listener(receipt, done)
            connection.send(
                "/topic/org.dawnsci.file.topic",
                raw,
                headers={"persistent": "true", "receipt": receipt},
            )
            done.wait_on_receipt()
            connection.remove_listener(receipt)


def tiled_client(platform: Platform, who: str = "client") -> TiledClient:
    """A client with a partner's key."""
    return TiledClient(platform.url("tiled"), SecretStr(platform.secret(f"tiled-key-{who}")))


def recons(client: TiledClient) -> dict[str, Node]:
    """What lies in `/recons`, by source."""
    if client.node("recons") is None:
        return {}
    return {node.metadata["source_path"]: node for node in client.children("recons")}


def recon_count(client: TiledClient) -> int:
    """How many nodes there are, doubles included."""
    return 0 if client.node("recons") is None else len(list(client.children("recons")))


class _Letters(stomp.ConnectionListener):
    def __init__(self) -> None:
        self.arrived: queue.Queue[tuple[str, bytes]] = queue.Queue()

    def on_message(self, frame: Any) -> None:
        self.arrived.put((frame.headers.get(REASON_HEADER, ""), frame.body))


@contextmanager
def dead_letters(platform: Platform) -> Iterator[queue.Queue[tuple[str, bytes]]]:
    """The reasons and bodies of dead letters; they stay in their queue."""
    connection = stomp.Connection12([("127.0.0.1", platform.port("broker"))], auto_decode=False)
    letters = _Letters()
    connection.set_listener("letters", letters)
    connection.connect("ingester", platform.secret("broker-ingester"), wait=True)
    connection.subscribe(f"/queue/{DEAD_LETTER_QUEUE}", id="1", ack="client-individual")
    try:
        yield letters.arrived
    finally:
        connection.disconnect()


class Ingester:
    """An ingester process with settings of its own, in place of the platform's."""

    def __init__(self, platform: Platform, **settings: str) -> None:
        process = platform.local.layout.processes()["ingester"]
        self._argv = process.argv
        self._settings = {f"TOMOBEAM_{name}": value for name, value in settings.items()}
        self.environment = {**platform.environment("ingester"), **self._settings}
        self._address = f"{platform.site.url(process.service.port)}/healthz"
        self._log = platform.data / f"ingester-{uuid.uuid4().hex[:8]}.log"
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Ingester:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(self._argv, env=self.environment, stdout=log, stderr=log)
        wait_for(lambda: self.running and self.report(), "the ingester to answer", 120)

    def report(self) -> dict[str, Any] | None:
        """What `/healthz` says."""
        try:
            return httpx.get(self._address, timeout=10).json()
        except httpx.TransportError:
            return None

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `tomobeam-ingester` for the operator."""
        return subprocess.run(
            [self._argv[0], *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self._child is not None
        self._child.kill()
        self._child.wait()

    def stop(self) -> int:
        """End it with SIGTERM; returns the exit status."""
        assert self._child is not None
        self._child.terminate()
        return self._child.wait(30)

    def log(self) -> str:
        """All that it wrote."""
        return self._log.read_text(errors="replace")
