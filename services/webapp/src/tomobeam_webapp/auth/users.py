"""Who may use the page: names and Argon2 hashes in the page's database."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import sqlalchemy
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tomobeam_webapp.auth.sessions import LoginSession
from tomobeam_webapp.context import Base

MIN_PASSWORD = 10
# Also a key in Tiled and part of a tag in Prefect.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_hasher = PasswordHasher()
# Checked where the user is unknown, so that the time of an answer tells nothing.
_NOBODY = _hasher.hash("nobody has this password")


class UserError(ValueError):
    """A user cannot be added or changed; the message says why."""


class UserRow(Base):
    """One scientist."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(primary_key=True)
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


def add(engine: sqlalchemy.Engine, name: str, password: str) -> None:
    """Add a user.

    Raises:
        UserError: the name is taken or not allowed, or the password too short.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no user name: 1 to 32 of a-z, 0-9, '.', '_', '-', a letter or digit first"
        )
    hashed = _hash(password)
    with Session(engine) as session, session.begin():
        if session.get(UserRow, name) is not None:
            raise UserError(f"there is a user {name!r} already")
        session.add(UserRow(name=name, password_hash=hashed))


def set_password(engine: sqlalchemy.Engine, name: str, password: str) -> None:
    """Change a password and end the user's sessions.

    Raises:
        UserError: no such user, or the password is too short.
    """
    hashed = _hash(password)
    with Session(engine) as session, session.begin():
        _row(session, name).password_hash = hashed
        session.execute(delete(LoginSession).where(LoginSession.user == name))


def remove(engine: sqlalchemy.Engine, name: str) -> None:
    """Remove a user and end their sessions; what they saved stays.

    Raises:
        UserError: no such user.
    """
    with Session(engine) as session, session.begin():
        session.delete(_row(session, name))
        session.execute(delete(LoginSession).where(LoginSession.user == name))


def names(engine: sqlalchemy.Engine) -> list[str]:
    """Every user's name, in order."""
    with Session(engine) as session:
        return list(session.scalars(select(UserRow.name).order_by(UserRow.name)))


def exists(engine: sqlalchemy.Engine, name: str) -> bool:
    """Whether there is such a user."""
    with Session(engine) as session:
        return session.get(UserRow, name) is not None


def verify(engine: sqlalchemy.Engine, name: str, password: str) -> bool:
    """Whether this is the user's password; takes as long for an unknown user."""
    with Session(engine) as session:
        row = session.get(UserRow, name)
    stored = row.password_hash if row else _NOBODY
    try:
        _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
    if row is not None and _hasher.check_needs_rehash(stored):
        with Session(engine) as session, session.begin():
            _row(session, name).password_hash = _hasher.hash(password)
    return row is not None


def _hash(password: str) -> str:
    if len(password) < MIN_PASSWORD:
        raise UserError(f"the password needs at least {MIN_PASSWORD} characters")
    return _hasher.hash(password)


def _row(session: Session, name: str) -> UserRow:
    row = session.get(UserRow, name)
    if row is None:
        raise UserError(f"there is no user {name!r}")
    return row
