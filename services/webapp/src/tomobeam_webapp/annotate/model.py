"""What a scientist draws on an image, and the changes that a stroke makes to it.

Points are integers in sixteenths of a pixel, column before row, and a pixel's centre has whole
coordinates. On this lattice the browser and the server decide exactly, and alike, which pixels
a shape covers; that is why nothing here is a float.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tomobeam_contracts.tree import MaskClass

LATTICE = 16
"""Steps of the lattice per pixel."""
MAX_POINTS = 40_000
MAX_CLASSES = 24
MAX_RADIUS = 2_000 * LATTICE

Coordinate = Annotated[int, Field(ge=-(1 << 20), le=1 << 20)]
Key = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
Kind = Literal["freeform", "rectangle", "circle", "brush", "erase"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DrawnClass(_Strict):
    """One class of a drawing; `order` decides its place in the list."""

    id: Key
    name: str = Field(min_length=1, max_length=80)
    color: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")
    order: float

    def to_wire(self) -> MaskClass:
        """The class as wire 2 names it."""
        return MaskClass(name=self.name, color=self.color)


class Item(_Strict):
    """One shape or stroke on slice `z`; items are painted in the order of `seq`, then of `id`.

    `points` is x0, y0, x1, y1, …: the outline of a freeform shape, two corners of a rectangle,
    the centre of a circle, the path of a brush or eraser. `radius` is that of the circle or the
    brush, on the same lattice. An eraser has no class.
    """

    id: Key
    z: int = Field(ge=0)
    seq: float
    kind: Kind
    cls: Key | None = None
    points: list[Coordinate] = Field(min_length=2, max_length=2 * MAX_POINTS)
    radius: int | None = Field(default=None, gt=0, le=MAX_RADIUS)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Item:
        count = len(self.points)
        wanted = {"rectangle": 4, "circle": 2}.get(self.kind)
        if count % 2 or (wanted is not None and count != wanted):
            raise ValueError(f"points: {count} numbers do not make a {self.kind}")
        round_kind = self.kind in ("circle", "brush", "erase")
        if round_kind and self.radius is None:
            raise ValueError(f"radius: a {self.kind} needs one")
        if not round_kind and self.radius is not None:
            raise ValueError(f"radius: a {self.kind} has none")
        if (self.cls is None) != (self.kind == "erase"):
            raise ValueError("cls: an eraser has no class, everything else has one")
        return self


class PutItem(_Strict):
    """Draw an item, or replace the one of that id."""

    op: Literal["put"]
    item: Item


class DeleteItem(_Strict):
    """Remove an item; one that is gone already is no fault."""

    op: Literal["delete"]
    id: Key


class PutClass(_Strict):
    """Add a class, or replace the one of that id."""

    op: Literal["class"]
    value: DrawnClass


class DeleteClass(_Strict):
    """Remove a class and every item of it."""

    op: Literal["class_delete"]
    id: Key


Change = Annotated[PutItem | DeleteItem | PutClass | DeleteClass, Field(discriminator="op")]


class Batch(_Strict):
    """Changes that one tab made to the drawing of version `base`.

    `tab` and `number` tell a batch that is sent again, because its answer was lost, from new work.
    """

    base: int = Field(ge=0)
    tab: Key
    number: int = Field(ge=0)
    changes: list[Change] = Field(min_length=1, max_length=5_000)


class Drawing(_Strict):
    """Everything that one user drew on one image."""

    version: int
    classes: list[DrawnClass]
    items: list[Item]

    def class_values(self) -> dict[str, int]:
        """The value in the mask of each class id: its place in the list."""
        return {entry.id: value for value, entry in enumerate(self.classes)}


# Okabe and Ito's palette, which colour-blind readers can tell apart.
FIRST_CLASSES = [
    DrawnClass(id="c1", name="Class 1", color="#E69F00", order=1),
    DrawnClass(id="c2", name="Class 2", color="#56B4E9", order=2),
]


def provenance(items: Iterable[Item], values: dict[str, int]) -> dict[str, Any]:
    """Shapes and strokes by slice, in painting order, as the mask's metadata keep them.

    Coordinates and radii are in pixels; `class` is the value in the mask, None for an eraser.
    Ids and times are left out, so that the same drawing gives the same digest.
    """
    by_slice: dict[str, list[dict[str, Any]]] = {}
    for item in sorted(items, key=lambda i: (i.z, i.seq, i.id)):
        entry: dict[str, Any] = {
            "kind": item.kind,
            "class": None if item.cls is None else values[item.cls],
            "points": [
                [x / LATTICE, y / LATTICE]
                for x, y in zip(item.points[::2], item.points[1::2], strict=True)
            ],
        }
        if item.radius is not None:
            entry["radius"] = item.radius / LATTICE
        by_slice.setdefault(str(item.z), []).append(entry)
    return by_slice
