"""What Tiled holds, as the page lists it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tomobeam_common.tiled import Node
from tomobeam_contracts.destinations import CANARY
from tomobeam_webapp import wording
from tomobeam_webapp.live.mirror import Mirror
from tomobeam_webapp.recons import model as recons
from tomobeam_webapp.recons.panel import _list
from tomobeam_webapp.results import model as results

SHAPE = (8, 30, 40)


def _node(key: str, shape: tuple[int, ...] | None = SHAPE, **metadata: Any) -> Node:
    return Node(f"recons/{key}", key, "array", metadata, shape, np.dtype("<f4"))


def _mirrored(engine, nodes: list[Node]) -> Mirror:
    mirror = Mirror(engine)
    mirror.replace("recons", [(n.key, b) for n in nodes if (b := recons.describe(n))])
    return mirror


def test_newest_first_and_those_without_a_time_last(engine) -> None:
    nodes = [
        _node("no-time"),
        _node("old", ingested_at="2026-11-01T10:00:00Z"),
        _node("new", ingested_at="2026-11-02T10:00:00Z"),
        _node("strange", ingested_at="yesterday"),
    ]
    found = [r.title for r in recons.recons(_mirrored(engine, nodes))]
    assert found == ["new", "old", "strange", "no-time"]


@pytest.mark.parametrize("shape", [None, (3, 4), (1, 2, 3, 4)])
def test_what_is_no_stack_is_left_out(shape) -> None:
    assert recons.describe(_node("x", shape)) is None


def test_a_canary_is_left_out() -> None:
    assert recons.describe(_node(CANARY)) is None
    assert recons.describe(_node(f"{CANARY}-1a2b3c4d")) is None
    assert recons.describe(_node(f"rock-{CANARY}")) is not None


def test_the_version_tells_that_a_scan_grew() -> None:
    small, large = recons.describe(_node("x")), recons.describe(_node("x", (9, 30, 40)))
    assert small is not None
    assert large is not None
    assert small["version"] != large["version"]


def test_every_word_of_the_search_must_be_there() -> None:
    recon = recons.Recon.model_validate(recons.describe(_node("Rock_7", proposal="cm2026-1")))
    assert recon.matches(["rock", "cm2026"])
    assert not recon.matches(["rock", "bead"])


@pytest.mark.parametrize(
    ("fault", "loaded", "words"),
    [
        (None, False, "Looking for reconstructions"),
        (None, True, "No reconstruction has arrived yet."),
        ("The image store does not answer.", False, "The image store does not answer."),
    ],
)
def test_every_state_of_an_empty_list_has_its_words(fault, loaded: bool, words: str) -> None:
    state = recons_state(fault, loaded)
    assert words in str(_list([], [], state, None, None))


def recons_state(fault: str | None, loaded: bool):
    from tomobeam_webapp.live.mirror import FeedState

    return FeedState(version=1, fault=fault, loaded=loaded)


RESULT = {
    "data_uri": "https://other-name/tiled/api/v1/metadata/recons/a",
    "uid": "r1",
    "job_name": "mine",
    "model": "m1",
    "algorithm": "random-forest",
    "parameters": {},
    "code_version": "1",
}


def test_results_are_found_by_tree_path_whatever_the_host(engine) -> None:
    mirror = Mirror(engine)
    nodes = [
        Node("results/r1", "r1", "container", RESULT),
        Node("results/r2", "r2", "container", RESULT | {"data_uri": "nonsense"}),
        Node("results/r3", "r3", "container", {}),
    ]
    mirror.replace("results", [(n.key, b) for n in nodes if (b := results.describe(n))])
    (found,) = results.results_of(mirror, "recons/a")
    overlay = results.overlay(found, 0.4, visible=True)
    assert overlay["path"] == "results/r1/seg_result"
    assert overlay["classes"][0] == {"name": "Class 1", "color": "#e69f00"}
    assert results.results_of(mirror, "recons/b") == []


def test_times_in_words() -> None:
    now = datetime.now().astimezone().replace(hour=12, minute=0)
    assert wording.when(now, now) == "12:00"
    assert wording.when(now - timedelta(days=1), now) == "yesterday 12:00"
    assert wording.when(None) == "time unknown"
    assert wording.took(now, now + timedelta(seconds=125)) == "2 min 5 s"
    assert wording.size((1, 2, 3)) == "1 slice, 2 × 3"
