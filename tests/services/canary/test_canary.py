"""A tiny scan over every wire of the real platform, and what it says where a service is away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.canary.conftest import Canary
from tests.support.ingest import tiled_client
from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_canary.flow_run import FlowRunError, Prefect
from tomobeam_contracts.canary import (
    FIRST_HALF,
    SECOND_HALF,
    Hop,
    HopReport,
    announced_at,
    scan_name,
)
from tomobeam_contracts.destinations import CANARY

LIMIT_S = 3


def whole(canary: Canary) -> tuple[str, list[HopReport]]:
    """Both halves, which must go well."""
    code, first = canary.send()
    assert tuple(report.hop for report in first) == FIRST_HALF
    assert code == 0, first
    scan = first[-1].scan
    assert scan
    code, second = canary.follow(scan)
    assert code == 0, second[-1]
    assert tuple(report.hop for report in second) == SECOND_HALF
    return scan, first + second


def test_each_canary_takes_every_hop_and_only_results_grow(
    canary: Canary, platform: Platform
) -> None:
    with tiled_client(platform) as tiled:
        seen = []
        for number in (1, 2):
            scan, reports = whole(canary)
            assert all(report.seconds > 0 for report in reports)
            assert [path.name for path in platform.site.data.filestore.iterdir()] == [CANARY]
            (node,) = tiled.children("recons")
            assert node.key == CANARY
            assert node.metadata["scan"] == scan
            masks = list(tiled.children(f"masks/{CANARY}/{node.path}"))
            assert len(masks) == 1
            assert masks[0].metadata["image_shape"] == list(node.shape or ())
            results = list(tiled.children("results"))
            assert len(results) == number
            assert results[-1].metadata["status"] == "complete"
            assert results[-1].metadata["mask_idx"] == masks[0].metadata["mask_idx"]
            seen.append((node.metadata["message_id"], node.metadata["ingested_at"]))
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] < seen[1][1]
    assert users(platform) == []


def users(platform: Platform) -> list[str]:
    done = subprocess.run(
        [Path(sys.executable).with_name("tomobeam-webapp"), "user", "list"],
        env=platform.environment("webapp"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


@pytest.fixture(scope="module")
def sent(canary: Canary, platform: Platform) -> str:
    """A scan that arrived."""
    _, reports = canary.send()
    scan = reports[-1].scan
    assert scan
    with tiled_client(platform) as tiled:
        wait_for(lambda: tiled.find("recons", "scan", scan), f"{scan} in Tiled")
    return scan


@pytest.mark.parametrize(
    ("service", "hop", "words"),
    [
        ("tiled", Hop.TILED, "Tiled at http"),
        ("prefect-server", Hop.PREFECT, "Prefect at http"),
        ("webapp", Hop.PAGE, "the page at http"),
    ],
)
def test_a_service_that_is_away_fails_its_own_hop(
    canary: Canary, sent: str, service: str, hop: Hop, words: str
) -> None:
    platform = canary.platform
    platform.stop(service)
    try:
        # The page's hop comes after the jobs, which take longer than the others may.
        limit_s = LIMIT_S if hop is not Hop.PAGE else 120
        fails_at(hop, words, *canary.follow(sent, CANARY_HOP_LIMIT_S=str(limit_s)))
    finally:
        platform.start(service)


def test_a_flow_run_that_no_worker_took_is_not_left(
    canary: Canary, platform: Platform, sent: str
) -> None:
    platform.stop("worker")
    try:
        code, reports = canary.follow(sent, CANARY_HOP_LIMIT_S=str(LIMIT_S))
        fails_at(Hop.WORKER, "still", code, reports)
        run = reports[-2].said.split()[-1]
        login = platform.secret("prefect-auth")
        with (
            Prefect(platform.site.prefect_api_url, login) as prefect,
            pytest.raises(FlowRunError, match="Cancelled"),
        ):
            prefect.wait_begun(run, LIMIT_S)
    finally:
        platform.start("worker")


def test_an_ingester_that_is_away_fails_the_arrival(canary: Canary, platform: Platform) -> None:
    platform.stop("ingester")
    try:
        code, reports = canary.send()
        assert code == 0, reports[-1]
        scan = reports[-1].scan or ""
        fails_at(
            Hop.REGISTER, f"no node of {scan}",
            *canary.follow(scan, CANARY_HOP_LIMIT_S=str(LIMIT_S)),
        )  # fmt: skip
    finally:
        platform.start("ingester")


def fails_at(hop: Hop, words: str, code: int, reports: list[HopReport]) -> None:
    """The second half took the hops before, and failed at this one within its limit."""
    assert code == 1
    assert tuple(report.hop for report in reports) == SECOND_HALF[: SECOND_HALF.index(hop) + 1]
    assert all(report.fault is None for report in reports[:-1])
    assert words in (reports[-1].fault or "")
    assert reports[-1].seconds < LIMIT_S + 2


def test_a_broker_that_is_away_fails_the_first_half(canary: Canary, platform: Platform) -> None:
    platform.stop("broker")
    try:
        code, reports = canary.send()
    finally:
        platform.start("broker")
    assert code == 1
    assert tuple(report.hop for report in reports) == FIRST_HALF
    assert "kept" in (reports[-1].fault or "")
    assert reports[-1].scan is None


def test_a_store_that_is_not_there_fails_the_first_hop(canary: Canary, tmp_path: Path) -> None:
    code, reports = canary.send(CANARY_STORE=str(tmp_path / "absent"))
    assert code == 1
    assert [report.hop for report in reports] == [Hop.RECONSTRUCT]
    assert str(tmp_path / "absent") in (reports[0].fault or "")


def test_what_is_no_canary_is_not_followed(canary: Canary) -> None:
    code, reports = canary.follow("rock")
    assert (code, reports) == (2, [])
    with pytest.raises(ValueError, match="does not match"):
        announced_at("rock")


def test_the_name_of_a_scan_tells_when_it_was_announced() -> None:
    scan = f"{CANARY}-20261105T101112.000013Z"
    assert scan_name(announced_at(scan)) == scan
