"""What a message may be, and what becomes of it."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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


def test_strangers_message_brings_the_stack_into_the_tree(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    voxels = volume(seed=1)
    processed = write_savu(store, "stranger", voxels, step=2)
    announce(platform, {"filePath": str(processed)})
    source = str(processed.parent / "TiffSaver_2")
    node = wait_for(lambda: recons(tiled).get(source), "the scan in Tiled")
    assert node.key == processed.parent.name
    assert node.shape == voxels.shape
    assert np.array_equal(tiled.read(node), voxels)
    assert node.metadata["image_count"] == len(voxels)


def test_own_producers_fields_are_kept_and_its_count_is_waited_for(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    processed = write_savu(store, "own", volume()[:2], old=False)
    stack = processed.parent / "TiffSaver_1"
    message = {
        "filePath": f"//{str(processed).lstrip('/')}",
        "status": "COMPLETE",
        "imageCount": 4,
        "scan": "i12-4711",
        "proposal": "cm1",
        "producer": "tomobeam-reconstruct",
        "pixelSize": 3.24,
        "unknown": {"to": "us"},
    }
    announce(platform, message)
    wait_for(lambda: _waits(ingester, processed), "the ingester to wait for it")
    assert str(stack) not in recons(tiled)
    write_images(stack, "img_own_%05d.tiff", volume()[2:], first=2)
    node = wait_for(lambda: recons(tiled).get(str(stack)), "the scan in Tiled")
    told = {"scan": "i12-4711", "proposal": "cm1", "pixel_size": 3.24, "image_count": 4}
    assert told.items() <= node.metadata.items()


def _waits(ingester: Ingester, path: Path) -> str | None:
    report = ingester.report()
    assert report is not None
    for job in report["jobs"]:
        if job["path"] == str(path) and "declared" in job["waits_for"]:
            return job["waits_for"]
    return None


def test_one_unfinished_stack_holds_nobody_up(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    never = write_savu(store, "never", volume()[:1])
    others = [write_savu(store, f"other{n}") for n in range(5)]
    announce(platform, {"filePath": str(never), "imageCount": 9})
    announce(platform, *({"filePath": str(other)} for other in others))
    for other in others:
        source = str(other.parent / "TiffSaver_1")
        wait_for(lambda source=source: recons(tiled).get(source), f"{source} in Tiled")
    assert _waits(ingester, never) == f"{never.parent}/TiffSaver_1 has 1 of the 9 images declared"
    assert "1 of the 9 images" in " ".join(ingester.command("status").stdout.split())


def test_the_same_message_and_scan_twice_leave_one_node(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    processed = write_savu(store, "twice")
    stack = processed.parent / "TiffSaver_1"
    before = recon_count(tiled)
    body = {"filePath": str(processed)}
    announce(platform, body, body, {"filePath": str(stack)}, {"filePath": str(processed.parent)})
    wait_for(lambda: recons(tiled).get(str(stack)), "the scan in Tiled")
    announce(platform, body | {"proposal": "later"})
    wait_for(lambda: recons(tiled)[str(stack)].metadata.get("proposal") == "later", "the update")
    assert recon_count(tiled) == before + 1


def test_a_second_folder_of_that_name_is_a_node_of_its_own(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    first = write_savu(store / "visit1", "namesake", volume(seed=1))
    second = write_savu(store / "visit2", "namesake", volume(seed=2))
    for processed, seed in ((first, 1), (second, 2)):
        announce(platform, {"filePath": str(processed)})
        source = str(processed.parent / "TiffSaver_1")
        node = wait_for(lambda source=source: recons(tiled).get(source), "the scan in Tiled")
        assert np.array_equal(tiled.read(node), volume(seed=seed))
    keys = {node.key for node in recons(tiled).values() if "namesake" in node.key}
    assert len(keys) == 2
    assert first.parent.name in keys


def test_growth_updates_the_node(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    voxels = volume((6, 5, 6), seed=3)
    processed = write_savu(store, "grows", voxels[:3])
    stack = processed.parent / "TiffSaver_1"
    announce(platform, {"filePath": str(processed), "imageCount": 3})
    wait_for(lambda: recons(tiled).get(str(stack)), "the first images in Tiled")
    write_images(stack, "img_grows_%05d.tiff", voxels[3:], first=3)
    announce(platform, {"filePath": str(processed), "imageCount": 6})
    wait_for(lambda: recons(tiled)[str(stack)].shape == (6, 5, 6), "the others in Tiled")
    node = recons(tiled)[str(stack)]
    assert np.array_equal(tiled.read(node), voxels)
    assert node.metadata["image_count"] == 6


def test_httomo_layout_takes_the_scan_folders_name(
    platform: Platform, ingester: Ingester, tiled: TiledClient, store: Path
) -> None:
    scan = store / "05-02-2026_11_12_13_output"
    stack = write_images(scan / "images32bit_tif", "%05d.tif", volume(seed=4))
    make_old(scan)
    announce(platform, {"filePath": str(stack)})
    node = wait_for(lambda: recons(tiled).get(str(stack)), "the scan in Tiled")
    assert node.key == scan.name
    assert np.array_equal(tiled.read(node), volume(seed=4))


def _bodies(store: Path) -> dict[str, Callable[[], str | bytes]]:
    def path(make: Callable[[Path], object], name: str) -> Callable[[], str]:
        def body() -> str:
            folder = store / "bad" / name
            folder.mkdir(parents=True)
            make(folder)
            make_old(folder)
            return json.dumps({"filePath": str(folder)})

        return body

    def mixed(folder: Path) -> None:
        write_images(folder, "%05d.tif", volume((2, 5, 6)))
        write_images(folder, "%05d.tif", volume((1, 7, 6)), first=2)

    def truncated(folder: Path) -> None:
        write_images(folder, "%05d.tif", volume((3, 50, 60)))
        whole = (folder / "00001.tif").read_bytes()
        (folder / "00001.tif").write_bytes(whole[:-500])

    def empty_file(folder: Path) -> None:
        write_images(folder, "%05d.tif", volume((2, 5, 6)))
        (folder / "00002.tif").touch()

    return {
        "not-json": lambda: "this is no JSON",
        "no-path": lambda: json.dumps({"path": "/x"}),
        "path-of-wrong-type": lambda: json.dumps({"filePath": 5}),
        "relative-path": lambda: json.dumps({"filePath": "a/b"}),
        "outside-roots": lambda: json.dumps({"filePath": "/etc/passwd"}),
        "dots-out-of-the-roots": lambda: json.dumps({"filePath": f"{store}/../secrets/x"}),
        "missing-path": lambda: json.dumps({"filePath": f"{store}/is/not/there"}),
        "empty-folder": path(lambda folder: None, "empty-folder"),
        "mixed-sizes": path(mixed, "mixed"),
        "truncated-tiff": path(truncated, "truncated"),
        "zero-bytes": path(empty_file, "zero"),
        "unknown-status": lambda: json.dumps({"filePath": f"{store}/x", "status": "PERHAPS"}),
        "long-body": lambda: json.dumps({"filePath": "/" + "x" * 1_000_000}),
        "invalid-utf8": lambda: b'{"filePath": "/\xff\xfe"}',
        "empty-body": lambda: "",
        "number": lambda: "17",
    }


BAD = {
    "not-json": "not-json: the body is not JSON",
    "no-path": "bad-message: the message: filePath: Field required",
    "path-of-wrong-type": "filePath: Input should be a valid string",
    "relative-path": "filePath: not an absolute path: 'a/b'",
    "outside-roots": "outside-roots: /etc/passwd lies outside the readable roots",
    "dots-out-of-the-roots": "outside-roots",
    "missing-path": "no-such-path",
    "empty-folder": "waiting: holds no images",
    "mixed-sizes": "mixed-shapes: {store}/bad/mixed/00002.tif is 7 × 6 float32",
    "truncated-tiff": "truncated: {store}/bad/truncated/00001.tif is truncated",
    "zero-bytes": "empty-file: {store}/bad/zero/00002.tif has 0 bytes",
    "unknown-status": "unknown-status: status: 'PERHAPS' is not one of STARTED",
    "long-body": "too-long: a body of 1000017 bytes; at most 65536",
    "invalid-utf8": "not-utf8: the body is not UTF-8",
    "empty-body": "not-json",
    "number": "bad-message: the body is a JSON int, not an object",
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_messages_are_put_aside_with_their_reason(
    fault: str, platform: Platform, ingester: Ingester, store: Path
) -> None:
    body = _bodies(store)[fault]()
    expected = BAD[fault].format(store=store)
    announce(platform, body)
    raw = body.encode() if isinstance(body, str) else body
    if expected.startswith("waiting: "):
        wait_for(lambda: expected[9:] in json.dumps(ingester.report()), f"the wait: {expected}")
    else:
        with dead_letters(platform) as letters:
            reason = _reason_of(letters, raw)
        assert expected in reason, reason
    assert ingester.running
    report = ingester.report()
    assert report is not None
    assert report["ok"]


def _reason_of(letters: queue.Queue[tuple[str, bytes]], body: bytes) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        reason, letter = letters.get(timeout=60)
        if letter == body:
            return reason
    raise AssertionError("no such dead letter")
