from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import polygon

from tomobeam_webapp.annotate.model import LATTICE, Item
from tomobeam_webapp.annotate.rasterise import rasterise

VALUES = {"a": 0, "b": 1}
SHAPE = (40, 50)


def item(kind: str, points: list[int], **more: object) -> Item:
    cls = None if kind == "erase" else "a"
    return Item.model_validate(
        {"id": "i", "z": 0, "seq": 0, "kind": kind, "cls": cls, "points": points} | more
    )


def painted(*items: Item, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return rasterise(items, VALUES, shape) >= 0


def reference(points: list[int], shape: tuple[int, int] = SHAPE) -> np.ndarray:
    xy = np.array(points).reshape(-1, 2) / LATTICE
    expected = np.zeros(shape, bool)
    expected[polygon(xy[:, 1], xy[:, 0], shape)] = True
    return expected


# Coarse steps make vertices and edges fall on pixel centres, where rasterisers disagree.
coordinate = st.one_of(
    st.integers(-20 * LATTICE, 70 * LATTICE),
    st.integers(-20, 70).map(lambda v: v * LATTICE),
    st.integers(-40, 140).map(lambda v: v * LATTICE // 2),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=25))
def test_freeform_is_pixel_exact_to_scikit_image(points: list[tuple[int, int]]) -> None:
    flat = [v for point in points for v in point]
    np.testing.assert_array_equal(painted(item("freeform", flat)), reference(flat))


@given(st.tuples(coordinate, coordinate, coordinate, coordinate))
def test_rectangle_is_its_polygon(c: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = c
    if x0 == x1 or y0 == y1:
        return
    expected = reference([x0, y0, x1, y0, x1, y1, x0, y1])
    np.testing.assert_array_equal(painted(item("rectangle", list(c))), expected)


def test_a_large_freeform_with_many_points_is_exact() -> None:
    rng = np.random.default_rng(5)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 600))
    radius = 120 + 30 * rng.standard_normal(600)
    xy = np.stack([150 + radius * np.cos(angle), 140 + radius * np.sin(angle)], 1)
    flat = np.rint(xy * LATTICE).astype(int).ravel().tolist()
    shape = (300, 320)
    np.testing.assert_array_equal(
        painted(item("freeform", flat), shape=shape), reference(flat, shape)
    )


@pytest.mark.parametrize(
    "outside",
    [
        item("freeform", [-160, -160, -320, -160, -320, -400]),
        item("rectangle", [-400, 100, -20, 300]),
        item("circle", [60 * 16, 20 * 16], radius=9 * 16),
        item("brush", [-200, 100, -200, 400], radius=100),
    ],
    ids=lambda i: i.kind,
)
def test_a_shape_outside_labels_no_border_pixel(outside: Item) -> None:
    assert not painted(outside).any()


def test_a_shape_partly_outside_is_cut() -> None:
    covered = painted(item("rectangle", [-160, -160, 2 * 16, 3 * 16]))
    assert covered.sum() == 12
    assert covered[:4, :3].all()


def test_circle_and_brush_cover_pixel_centres_within_the_radius() -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disk = (x - 20.5) ** 2 + (y - 11) ** 2 <= 7.25**2
    np.testing.assert_array_equal(painted(item("circle", [20 * 16 + 8, 11 * 16], radius=116)), disk)
    np.testing.assert_array_equal(painted(item("brush", [20 * 16 + 8, 11 * 16], radius=116)), disk)
    stroke = painted(item("brush", [10 * 16, 10 * 16, 30 * 16, 10 * 16], radius=48))
    assert stroke[7:14, 10:31].all()
    assert not stroke[6].any()
    assert stroke[10, 7]
    assert not stroke[10, 6]


def test_later_items_paint_over_and_the_eraser_takes_away() -> None:
    square = [0, 0, 9 * 16, 9 * 16]
    labels = rasterise(
        [
            item("erase", [0, 0], radius=16, seq=3.0, id="e"),
            item("rectangle", square, seq=1.0, id="x"),
            item("rectangle", [5 * 16, 0, 9 * 16, 9 * 16], seq=2.0, id="y", cls="b"),
        ],
        VALUES,
        SHAPE,
    )
    assert labels[0, 0] == labels[0, 1] == labels[1, 0] == -1
    assert labels[1, 1] == 0
    assert labels[5, 5] == 1
    assert labels.dtype == np.int8


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"points": [1, 2, 3]}, "numbers do not make"),
        ({"kind": "circle", "points": [1, 2]}, "radius"),
        ({"radius": 5}, "radius"),
        ({"cls": None}, "cls"),
        ({"points": [1 << 30, 0]}, "less than or equal"),
    ],
)
def test_a_wrong_item_is_refused_by_field(fault: dict, message: str) -> None:
    body = {"id": "i", "z": 0, "seq": 0, "kind": "freeform", "cls": "a", "points": [1, 2, 3, 4]}
    with pytest.raises(ValueError, match=message):
        Item.model_validate(body | fault)
