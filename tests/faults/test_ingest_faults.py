"""Broker, Tiled, ingester and store lost amid ten scans: ten nodes, none doubled, none lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.ingest import (
    announce,
    recon_count,
    recons,
    tiled_client,
    write_savu,
)
from tests.support.platform import Platform, local_platform
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient

SCANS = 10


@dataclass(frozen=True)
class Fault:
    """What is done to which component, and what the ingester says meanwhile."""

    component: str
    action: str
    sentence: str


TABLE = [
    Fault("broker", "stop", "the broker at 127.0.0.1:"),
    Fault("broker", "kill", "the broker at 127.0.0.1:"),
    Fault("tiled", "stop", "Tiled at http://127.0.0.1:"),
    Fault("tiled", "kill", "Tiled at http://127.0.0.1:"),
    Fault("ingester", "stop", ""),
    Fault("ingester", "kill", ""),
    Fault("store", "unmount", "the file store is away: "),
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("faults")
    with local_platform(folder, ["broker", "tiled", "ingester"]) as running:
        store = Path(running.site.data.filestore)
        store.mkdir(parents=True, exist_ok=True)
        (store / "README").write_text("mounted")
        yield running


@pytest.fixture
def store(platform: Platform) -> Path:
    return Path(platform.site.data.filestore)


@pytest.fixture
def tiled(platform: Platform) -> Iterator[TiledClient]:
    with tiled_client(platform) as client:
        yield client


def _away(platform: Platform) -> str:
    try:
        report = httpx.get(f"{platform.url('ingester')}/healthz", timeout=30).json()
    except httpx.TransportError:
        return ""
    return json.dumps(report["away"])


def _lose(platform: Platform, fault: Fault, store: Path) -> Callable[[], object]:
    """Do what the fault says; returns what undoes it."""
    if fault.component == "store":
        aside = store.with_name("unmounted")
        store.rename(aside)
        return lambda: aside.rename(store)
    lose = platform.kill if fault.action == "kill" else platform.stop
    lose(fault.component)
    return lambda: platform.start(fault.component)


def _write_ten(store: Path, name: str) -> list[Path]:
    return [write_savu(store / name, f"{name}{number}") for number in range(SCANS)]


def _sources(scans: list[Path]) -> set[str]:
    return {str(processed.parent / "TiffSaver_1") for processed in scans}


def _check_all_arrive(tiled: TiledClient, scans: list[Path], nodes_before: int) -> None:
    wanted = _sources(scans)
    wait_for(lambda: wanted <= set(recons(tiled)), f"{SCANS} scans in Tiled", 180)
    assert recon_count(tiled) == nodes_before + SCANS


@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: f"{fault.component}-{fault.action}")
def test_a_component_lost_amid_ten_scans_loses_and_doubles_nothing(
    fault: Fault, platform: Platform, store: Path, tiled: TiledClient
) -> None:
    scans = _write_ten(store, f"{fault.component}-{fault.action}")
    before = recon_count(tiled)
    bodies = [{"filePath": str(processed)} for processed in scans]
    announce(platform, *bodies[:5])
    undo = _lose(platform, fault, store)
    try:
        if fault.component != "broker":
            announce(platform, *bodies[5:])
        if fault.sentence:
            wait_for(lambda: fault.sentence in _away(platform), f"it to say: {fault.sentence}")
    finally:
        undo()
    if fault.component == "broker":
        announce(platform, *bodies[5:])
    _check_all_arrive(tiled, scans, before)
    wait_for(lambda: _away(platform) == "{}", "it to say that all are back")


@pytest.mark.parametrize("order", [("tiled", "broker"), ("broker", "tiled")], ids="-".join)
def test_partners_may_come_in_any_order(
    order: tuple[str, str], platform: Platform, store: Path, tiled: TiledClient
) -> None:
    scans = _write_ten(store, f"order-{order[0]}")
    before = recon_count(tiled)
    announce(platform, *({"filePath": str(processed)} for processed in scans[:5]))
    for name in ("ingester", *order):
        platform.stop(name)
    platform.start("ingester")
    for name in order:
        platform.start(name)
    announce(platform, *({"filePath": str(processed)} for processed in scans[5:]))
    _check_all_arrive(tiled, scans, before)


def test_ingester_killed_again_and_again_doubles_nothing(
    platform: Platform, store: Path, tiled: TiledClient
) -> None:
    scans = _write_ten(store, "again")
    before = recon_count(tiled)
    announce(platform, *({"filePath": str(processed)} for processed in scans))
    for _ in range(3):
        seen = recon_count(tiled)
        if seen < before + SCANS:
            wait_for(lambda seen=seen: recon_count(tiled) > seen, "the next scan in Tiled", 120)
        platform.kill("ingester")
        platform.start("ingester")
    _check_all_arrive(tiled, scans, before)
