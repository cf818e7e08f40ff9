"""Drawings in the page's database: one per user and image, saved stroke by stroke."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from tomobeam_webapp.annotate.model import (
    FIRST_CLASSES,
    MAX_CLASSES,
    Batch,
    Change,
    DeleteClass,
    DeleteItem,
    Drawing,
    DrawnClass,
    Item,
    PutClass,
    PutItem,
)
from tomobeam_webapp.context import Base


class DrawingRow(Base):
    """The state of one drawing; `tab` and `batch` are those of its latest change."""

    __tablename__ = "drawing"
    user: Mapped[str] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    tab: Mapped[str]
    batch: Mapped[int]
    changed_at: Mapped[str]


class ItemRow(Base):
    """One shape or stroke; `body` is the JSON of an `Item`."""

    __tablename__ = "drawing_item"
    user: Mapped[str] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    z: Mapped[int]
    cls: Mapped[str | None]
    body: Mapped[str]


class ClassRow(Base):
    """One class of a drawing; `body` is the JSON of a `DrawnClass`."""

    __tablename__ = "drawing_class"
    user: Mapped[str] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]


class SavedMaskRow(Base):
    """The last mask of an image that its user saved to Tiled, as the page shows it."""

    __tablename__ = "saved_mask"
    user: Mapped[str] = mapped_column(primary_key=True)
    image: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(sa.JSON)


class StaleDrawing(RuntimeError):
    """Another tab changed the drawing since the version that the changes were made to."""

    def __init__(self, version: int) -> None:
        super().__init__("These annotations were changed in another tab or browser meanwhile.")
        self.version = version


class UnknownClass(ValueError):
    """A shape names a class that was removed meanwhile, or there are too many classes."""


@dataclass(frozen=True)
class Drawings:
    """The drawings of all users."""

    engine: sa.Engine

    @property
    def _reader(self) -> sa.Engine:
        return self.engine.execution_options(readonly=True)

    def load(self, user: str, image: str) -> Drawing:
        """The drawing as it is now; an image never drawn on has the first classes, version 0."""
        with Session(self._reader) as session:
            row = session.get(DrawingRow, (user, image))
            if row is None:
                return Drawing(version=0, classes=FIRST_CLASSES, items=[])
            items = session.scalars(
                sa.select(ItemRow.body).where(ItemRow.user == user, ItemRow.image == image)
            )
            found = sorted(
                (Item.model_validate_json(body) for body in items), key=lambda i: (i.seq, i.id)
            )
            classes = _classes(session, user, image)
            return Drawing(version=row.version, classes=classes, items=found)

    def apply(self, user: str, image: str, batch: Batch) -> int:
        """Make the changes of a batch, all or none, and return the new version.

        A batch that was applied already is not applied again.

        Raises:
            StaleDrawing: the drawing has changed since `batch.base`.
            UnknownClass: an item names a class that is not there, or classes are too many.
        """
        with Session(self.engine) as session:
            row = session.get(DrawingRow, (user, image))
            if row is not None and (row.tab, row.batch) == (batch.tab, batch.number):
                return row.version
            version = row.version if row is not None else 0
            if version != batch.base:
                raise StaleDrawing(version)
            if row is None:
                for first in FIRST_CLASSES:
                    _put_class(session, user, image, first)
            for change in batch.changes:
                _apply(session, user, image, change)
            _check_classes(session, user, image)
            session.merge(
                DrawingRow(
                    user=user,
                    image=image,
                    version=version + 1,
                    tab=batch.tab,
                    batch=batch.number,
                    changed_at=datetime.now(UTC).isoformat(),
                )
            )
            session.commit()
            return version + 1

    def saved_mask(self, user: str, image: str) -> dict[str, Any] | None:
        """The last mask saved, or None before the first."""
        with Session(self._reader) as session:
            row = session.get(SavedMaskRow, (user, image))
            return None if row is None else row.body

    def keep_saved_mask(self, user: str, image: str, body: dict[str, Any]) -> None:
        """Remember the mask saved last."""
        with Session(self.engine) as session:
            session.merge(SavedMaskRow(user=user, image=image, body=body))
            session.commit()


def _classes(session: Session, user: str, image: str) -> list[DrawnClass]:
    bodies = session.scalars(
        sa.select(ClassRow.body).where(ClassRow.user == user, ClassRow.image == image)
    )
    found = [DrawnClass.model_validate_json(body) for body in bodies]
    return sorted(found, key=lambda c: (c.order, c.id))


def _put_class(session: Session, user: str, image: str, value: DrawnClass) -> None:
    body = value.model_dump_json()
    row = insert(ClassRow).values(user=user, image=image, id=value.id, body=body)
    keys = ["user", "image", "id"]
    session.execute(row.on_conflict_do_update(index_elements=keys, set_={"body": body}))


def _apply(session: Session, user: str, image: str, change: Change) -> None:
    def of(table: type[ItemRow] | type[ClassRow]) -> tuple[Any, Any]:
        return table.user == user, table.image == image

    match change:
        case PutItem(item=item):
            body = item.model_dump_json(exclude_none=True)
            what = {"z": item.z, "cls": item.cls, "body": body}
            row = insert(ItemRow).values(user=user, image=image, id=item.id, **what)
            keys = ["user", "image", "id"]
            session.execute(row.on_conflict_do_update(index_elements=keys, set_=what))
        case DeleteItem(id=key):
            session.execute(sa.delete(ItemRow).where(*of(ItemRow), ItemRow.id == key))
        case PutClass(value=value):
            _put_class(session, user, image, value)
        case DeleteClass(id=key):
            session.execute(sa.delete(ItemRow).where(*of(ItemRow), ItemRow.cls == key))
            session.execute(sa.delete(ClassRow).where(*of(ClassRow), ClassRow.id == key))


def _check_classes(session: Session, user: str, image: str) -> None:
    known = {entry.id for entry in _classes(session, user, image)}
    if len(known) > MAX_CLASSES:
        raise UnknownClass(f"There can be at most {MAX_CLASSES} classes.")
    used = session.scalars(
        sa.select(ItemRow.cls)
        .where(ItemRow.user == user, ItemRow.image == image, ItemRow.cls.is_not(None))
        .distinct()
    )
    missing = {key for key in used if key is not None} - known
    if missing:
        raise UnknownClass("A shape belongs to a class that was removed in another tab.")
