"""From a notification to a scan that is visible in Tiled, against Tiled's own register call."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stomp

from tests.support.ingest import stranger, tiled_client, volume, write_savu
from tests.support.platform import Platform, local_platform
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.scan import ScanReady
from tomobeam_contracts.tree import ReconMetadata
from tomobeam_ingester.complete import Judge, Sightings
from tomobeam_ingester.paths import Roots

SINGLE = 10
BURST = 50
IMAGES = 16
TOPIC = "/topic/org.dawnsci.file.topic"


def _scans(store: Path, name: str, count: int) -> list[Path]:
    voxels = volume((IMAGES, 64, 64))
    return [write_savu(store / name, f"{name}{number}", voxels) for number in range(count)]


def _bodies(store: Path, scans: list[Path]) -> list[dict[str, Any]]:
    """The requests that the ingester makes, made beforehand: what Tiled alone costs."""
    judge = Judge(Roots([store], {}), 1.0)
    bodies = []
    for processed in scans:
        candidate, stack = judge.decide(processed, ScanReady(filePath=str(processed)), Sightings())
        metadata = ReconMetadata(
            scan=candidate.scan_folder,
            source_path=f"bare {uuid.uuid4().hex}",
            image_count=IMAGES,
            ingested_at="2026-01-01T00:00:00Z",  # pyright: ignore[reportArgumentType]
        )
        bodies.append(
            {
                "id": uuid.uuid4().hex,
                "structure_family": "array",
                "metadata": metadata.to_wire(),
                "specs": [],
                "data_sources": [stack.data_source()],
            }
        )
    return bodies


def _send(connection: stomp.Connection, processed: Path) -> None:
    connection.send(TOPIC, json.dumps({"filePath": str(processed)}), headers={"persistent": "true"})


def _timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _until_visible(client: TiledClient, connection: stomp.Connection, processed: Path) -> None:
    _send(connection, processed)
    path = f"recons/{processed.parent.name}"
    while client.node(path) is None:
        time.sleep(0.01)  # Asking without a pause would keep Tiled from registering.


def _children(client: TiledClient) -> int:
    # Of all fields only `count` alone is counted past a hundred.
    answer = client.request("GET", "/metadata/recons", params={"fields": "count"}).json()
    return answer["data"]["attributes"]["structure"]["count"]


def _run(platform: Platform, client: TiledClient, store: Path) -> None:
    warm, single, burst = (
        _scans(store, name, count)
        for name, count in (("warm", 3), ("single", SINGLE), ("burst", BURST))
    )
    # Files of their own: a file that Tiled knows already costs it less.
    alone, in_loop = (
        _bodies(store, _scans(store, name, count))
        for name, count in (("alone", SINGLE), ("loop", BURST))
    )
    with stranger(platform) as connection, tiled_client(platform, "ingester") as own:
        for processed in warm:
            _until_visible(client, connection, processed)
        bare, seen = [], []
        for body, processed in zip(alone, single, strict=True):
            bare.append(_timed(lambda body=body: own.create("recons", body, register=True)))
            seen.append(_timed(lambda p=processed: _until_visible(client, connection, p)))
        one, all_of_it = statistics.median(bare), statistics.median(seen)
        print(
            f"bench: notification to visible / bare register call, median of {SINGLE}: "
            f"{all_of_it:.3f} s / {one:.3f} s = {all_of_it / one:.2f}"
        )
        loop = _timed(lambda: [own.create("recons", body, register=True) for body in in_loop])
        before = _children(client)

        def announce_all() -> None:
            for processed in burst:
                _send(connection, processed)
            wait_for(lambda: _children(client) >= before + BURST, "the burst in Tiled", 300)

        took = _timed(announce_all)
    print(
        f"bench: burst of {BURST} scans ({BURST / took:.1f}/s) / bare register calls in a loop "
        f"({BURST / loop:.1f}/s): {took:.2f} s / {loop:.2f} s = {took / loop:.2f}"
    )


def main() -> None:
    """Measure on a platform of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        local_platform(Path(folder), ["broker", "tiled", "ingester"]) as platform,
        tiled_client(platform) as client,
    ):
        store = Path(platform.site.data.filestore)
        store.mkdir(parents=True, exist_ok=True)
        _run(platform, client, store)


if __name__ == "__main__":
    main()
