from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tomobeam_webapp.annotate.model import Batch, provenance
from tomobeam_webapp.annotate.store import Drawings, StaleDrawing, UnknownClass
from tomobeam_webapp.context import create_tables, open_engine
from tomobeam_webapp.settings import StateSettings

IMAGE = "recons/scan"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    settings = StateSettings.load(webapp_state=tmp_path)
    engine = open_engine(settings)
    create_tables(engine, settings)
    yield engine
    engine.dispose()


@pytest.fixture
def drawings(engine: sqlalchemy.Engine) -> Drawings:
    return Drawings(engine)


def put(key: str, **more: Any) -> dict[str, Any]:
    item = {"id": key, "z": 3, "seq": 1.0, "kind": "rectangle", "cls": "c1", "points": [0, 0, 9, 9]}
    return {"op": "put", "item": item | more}


def batch(base: int, number: int, *changes: dict[str, Any], tab: str = "t1") -> Batch:
    return Batch.model_validate(
        {"base": base, "tab": tab, "number": number, "changes": list(changes)}
    )


def test_a_new_image_starts_with_two_classes_and_nothing_drawn(drawings: Drawings) -> None:
    drawing = drawings.load("alice", IMAGE)
    assert (drawing.version, drawing.items) == (0, [])
    assert [c.name for c in drawing.classes] == ["Class 1", "Class 2"]


def test_changes_survive_and_belong_to_user_and_image(
    drawings: Drawings, engine: sqlalchemy.Engine
) -> None:
    assert drawings.apply("alice", IMAGE, batch(0, 0, put("a"), put("b", seq=0.5))) == 1
    assert drawings.apply("alice", IMAGE, batch(1, 1, put("a", points=[1, 1, 5, 5]))) == 2
    again = Drawings(engine).load("alice", IMAGE)
    assert [(i.id, i.points) for i in again.items] == [("b", [0, 0, 9, 9]), ("a", [1, 1, 5, 5])]
    assert drawings.load("bob", IMAGE).items == []
    assert drawings.load("alice", "recons/other").items == []


def test_removing_a_class_takes_its_shapes(drawings: Drawings) -> None:
    drawings.apply("alice", IMAGE, batch(0, 0, put("a"), put("b", cls="c2")))
    drawings.apply("alice", IMAGE, batch(1, 1, {"op": "class_delete", "id": "c1"}))
    left = drawings.load("alice", IMAGE)
    assert [i.id for i in left.items] == ["b"]
    assert left.class_values() == {"c2": 0}


def test_another_tab_is_told_and_overwrites_nothing(drawings: Drawings) -> None:
    drawings.apply("alice", IMAGE, batch(0, 0, put("a")))
    with pytest.raises(StaleDrawing, match="another tab") as stale:
        drawings.apply("alice", IMAGE, batch(0, 0, put("b"), tab="t2"))
    assert stale.value.version == 1
    assert [i.id for i in drawings.load("alice", IMAGE).items] == ["a"]


def test_a_batch_sent_again_is_made_once(drawings: Drawings) -> None:
    first = batch(0, 0, put("a"))
    assert drawings.apply("alice", IMAGE, first) == 1
    assert drawings.apply("alice", IMAGE, first) == 1
    assert drawings.load("alice", IMAGE).version == 1


def test_a_shape_of_a_removed_class_changes_nothing(drawings: Drawings) -> None:
    with pytest.raises(UnknownClass, match="class that was removed"):
        drawings.apply("alice", IMAGE, batch(0, 0, put("a"), put("b", cls="gone")))
    assert drawings.load("alice", IMAGE).version == 0


def test_many_tabs_at_once_lose_nothing(drawings: Drawings) -> None:
    def draw(tab: int) -> None:
        for number in range(5):
            while True:
                base = drawings.load("alice", IMAGE).version
                try:
                    change = put(f"{tab}-{number}")
                    drawings.apply("alice", IMAGE, batch(base, number, change, tab=f"t{tab}"))
                    break
                except StaleDrawing:
                    continue

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(draw, range(4)))
    drawing = drawings.load("alice", IMAGE)
    assert (drawing.version, len(drawing.items)) == (20, 20)


def test_provenance_is_in_pixels_by_slice_in_painting_order(drawings: Drawings) -> None:
    changes = [
        put("late", seq=9.0, kind="erase", cls=None, points=[16, 24], radius=40),
        put("early", seq=1.0, cls="c2"),
        put("other", z=12),
    ]
    drawings.apply("alice", IMAGE, batch(0, 0, *changes))
    drawing = drawings.load("alice", IMAGE)
    found = provenance(drawing.items, drawing.class_values())
    assert list(found) == ["3", "12"]
    assert found["3"] == [
        {"kind": "rectangle", "class": 1, "points": [[0.0, 0.0], [0.5625, 0.5625]]},
        {"kind": "erase", "class": None, "points": [[1.0, 1.5]], "radius": 2.5},
    ]
