"""One-time login links: a token that is stored hashed, lasts minutes and works once."""

from __future__ import annotations

import secrets
import time

import sqlalchemy
from sqlalchemy import delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from tomobeam_webapp.auth.sessions import digest
from tomobeam_webapp.context import Base

ROUTE = "/login/once/"


class LoginLink(Base):
    """A link that was given out and not used yet."""

    __tablename__ = "login_links"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str]
    expires_at: Mapped[float]


def make(engine: sqlalchemy.Engine, user: str, minutes: float) -> str:
    """The token of a new link for `user`, who must exist."""
    token = secrets.token_urlsafe(32)
    with Session(engine) as session, session.begin():
        session.execute(delete(LoginLink).where(LoginLink.expires_at < time.time()))
        session.add(
            LoginLink(token_hash=digest(token), user=user, expires_at=time.time() + minutes * 60)
        )
    return token


def works(engine: sqlalchemy.Engine, token: str) -> bool:
    """Whether the link would log in; does not use it up."""
    with Session(engine.execution_options(readonly=True)) as session:
        row = session.get(LoginLink, digest(token))
        return row is not None and row.expires_at > time.time()


def use(engine: sqlalchemy.Engine, token: str) -> str | None:
    """The user of the link, which is gone afterwards; None where it is unknown or too old."""
    with Session(engine) as session, session.begin():
        row = session.get(LoginLink, digest(token))
        if row is None:
            return None
        session.delete(row)
        return row.user if row.expires_at > time.time() else None
