"""Links within the readable roots and out of them, and a store that is away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ingester.store import images, settle, told
from tomobeam_ingester.complete import Judge, Sightings
from tomobeam_ingester.outcome import Reason, Refused, StoreAway
from tomobeam_ingester.paths import Roots


def test_links_may_not_lead_outside(root: Path, judge: Judge) -> None:
    images(root.parent / "elsewhere")
    (root / "rec").symlink_to(root.parent / "elsewhere")
    with pytest.raises(Refused) as caught:
        judge.decide(root / "rec", told(root / "rec"), Sightings())
    assert caught.value.reason is Reason.OUTSIDE_ROOTS


def test_link_within_the_root_is_the_same_source(root: Path, judge: Judge) -> None:
    stack = images(root / "rec")
    settle(stack)
    (root / "latest").symlink_to(stack)
    path = root / "latest"
    assert judge.decide(path, told(path), Sightings())[0].path == stack


def test_root_that_is_itself_a_link_keeps_its_name(root: Path) -> None:
    alias = root.parent / "alias"
    alias.symlink_to(root)
    stack = images(root / "rec")
    settle(stack)
    judge = Judge(Roots([alias], {}), 30.0)
    path = alias / "rec"
    candidate, found = judge.decide(path, told(path), Sightings())
    assert candidate.path == path
    assert found.files[0].parent == path


@pytest.mark.parametrize("empty", [True, False])
def test_store_that_is_not_mounted_is_away_and_nothing_is_missing(
    empty: bool, root: Path, judge: Judge
) -> None:
    (root / "README").unlink()
    if not empty:
        root.rmdir()
    with pytest.raises(StoreAway, match="the file store is away"):
        judge.decide(root / "x", told(root / "x"), Sightings())
