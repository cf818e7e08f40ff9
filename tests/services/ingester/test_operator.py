"""Catch-up scans, replay, status, and a clean end."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import numpy as np

from tests.services.ingester.conftest import QUICK
from tests.support.ingest import (
    Ingester,
    announce,
    dead_letters,
    make_old,
    recon_count,
    recons,
    volume,
    write_images,
    write_savu,
)
from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient


def test_scan_registers_what_was_never_announced(
    platform: Platform, tiled: TiledClient, store: Path
) -> None:
    savu = write_savu(store / "quiet", "low", volume(seed=1), step=1)
    write_savu(store / "quiet", "low", volume(seed=2), step=2)
    httomo = write_images(
        store / "06-02-2026_11_12_13_output/images32bit_tif", "%05d.tif", volume()
    )
    als = write_images(store / "recX", "recX_%05d.tiff", volume(seed=3))
    young = write_images(store / "recYoung", "recYoung_%05d.tiff", volume())
    make_old(httomo.parent)
    make_old(als)
    ingester = Ingester(platform, **QUICK | {"INGESTER_SETTLE_S": "600"})
    said = ingester.command("scan")
    assert said.returncode == 0, said.stderr
    found = recons(tiled)
    highest = savu.parent / "TiffSaver_2"
    assert found[str(highest)].key == savu.parent.name
    assert np.array_equal(tiled.read(found[str(highest)]), volume(seed=2))
    assert str(savu.parent / "TiffSaver_1") not in found
    assert found[str(httomo)].key == httomo.parent.name
    assert found[str(als)].key == "recX"
    assert str(young) not in found
    assert "recYoung: not yet" in " ".join(said.stdout.split())
    count = recon_count(tiled)
    again = ingester.command("scan")
    assert "registered" not in again.stdout
    assert recon_count(tiled) == count


def test_what_arrives_while_nobody_listens_is_registered_at_the_start(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    ingester.stop()
    silent = write_savu(store, "silent")
    announced = write_savu(store, "announced")
    announce(platform, {"filePath": str(announced)})
    ingester.start()
    for processed in (silent, announced):
        source = str(processed.parent / "TiffSaver_1")
        wait_for(lambda source=source: recons(tiled).get(source), f"{source} in Tiled")
    keys = [node.key for node in recons(tiled).values() if node.key == announced.parent.name]
    assert len(keys) == 1


def test_replay_puts_dead_letters_back(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    late = store / "20260102030405_late" / "late_processed.nxs"
    bodies = [{"filePath": str(late)}, {"filePath": "/elsewhere/late"}]
    announce(platform, *bodies)
    awaited = {json.dumps(body).encode() for body in bodies}
    with dead_letters(platform) as letters:
        while awaited:
            awaited.discard(letters.get(timeout=60)[1])
    write_savu(store, "late")
    said = ingester.command("replay", "--match", r"no-such-path.*\n.*late_processed")
    assert said.returncode == 0, said.stderr
    assert "1 of" in said.stdout
    source = str(late.parent / "TiffSaver_1")
    wait_for(lambda: recons(tiled).get(source), "the replayed scan in Tiled")
    with dead_letters(platform) as letters:
        while letters.get(timeout=60)[1] != json.dumps(bodies[1]).encode():
            pass


def test_replay_of_what_is_still_wrong_ends(platform: Platform, ingester: Ingester) -> None:
    announce(platform, "wrong for ever")
    with dead_letters(platform) as letters:
        while letters.get(timeout=60)[1] != b"wrong for ever":
            pass
    said = ingester.command("replay", "--match", "wrong for ever")
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("put back: not-json") == 1


def test_metrics_and_status_tell_what_happened(
    platform: Platform, ingester: Ingester, store: Path
) -> None:
    announce(platform, {"filePath": str(write_savu(store, "counted"))}, "not JSON at all")
    address = platform.site.url("ingester")

    def metrics() -> str:
        text = httpx.get(f"{address}/metrics").text
        return text if 'dead_total{reason="not-json"}' in text else ""

    text = wait_for(metrics, "the counters")
    for name in ("received_total", "stacks_total", "waiting", "oldest_unhandled_seconds"):
        assert f"tomobeam_ingester_{name}" in text
    assert 'tomobeam_ingester_step_seconds_bucket{le="0.1",step="register"}' in text
    report = ingester.report()
    assert report is not None
    assert report["state"] == "listening"
    said = ingester.command("status")
    assert said.returncode == 0
    assert "state: listening" in said.stdout
    counted = re.search(r"dead letters since the start: (\d+)", said.stdout)
    assert counted
    told = json.loads(ingester.command("status", "--json").stdout)
    assert set(told) >= {"ok", "state", "away", "waiting", "oldest_unhandled_s", "jobs"}
    # What other tests announced may still be given up between one look and the next.
    assert 1 <= report["dead_letters"] <= int(counted[1]) <= told["dead_letters"]


def test_commands_say_what_is_wrong_in_one_sentence(platform: Platform, ingester: Ingester) -> None:
    ingester.stop()
    try:
        said = ingester.command("status")
        assert said.returncode == 1
        assert said.stderr.startswith("the ingester does not run: http://127.0.0.1:")
        bad = Ingester(platform, **QUICK, READABLE_ROOTS='["relative"]')
        said = bad.command("run")
        assert said.returncode == 2
        assert said.stderr.strip().count("\n") == 0
        assert "TOMOBEAM_READABLE_ROOTS: Value error, relative is not an absolute" in said.stderr
    finally:
        ingester.start()


def test_sigterm_ends_it_within_seconds_and_hands_work_back(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    waiting = write_savu(store, "handedback", volume()[:2])
    announce(platform, {"filePath": str(waiting), "imageCount": 4})
    wait_for(
        lambda: str(waiting) in json.dumps((ingester.report() or {}).get("jobs")), "it to wait"
    )
    assert ingester.stop() == 0
    write_images(waiting.parent / "TiffSaver_1", "img_handedback_%05d.tiff", volume()[2:], first=2)
    ingester.start()
    source = str(waiting.parent / "TiffSaver_1")
    node = wait_for(lambda: recons(tiled).get(source), "the scan that was handed back")
    assert node.shape is not None
    assert node.shape[0] == 4
