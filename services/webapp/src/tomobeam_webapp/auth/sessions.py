"""Logins that are open: kept in the database, so that signing out really ends one."""

from __future__ import annotations

import hashlib
import secrets
import time

import sqlalchemy
from sqlalchemy import delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from tomobeam_webapp.context import Base

TOUCH_S = 60.0


class LoginSession(Base):
    """One browser's login. Its token is in the browser's signed cookie, its hash here."""

    __tablename__ = "login_sessions"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(index=True)
    used_at: Mapped[float]


def digest(token: str) -> str:
    """How tokens of 32 random bytes are stored: they need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def start(engine: sqlalchemy.Engine, user: str) -> str:
    """Open a session and return its token."""
    token = secrets.token_urlsafe(32)
    with Session(engine) as session, session.begin():
        session.add(LoginSession(token_hash=digest(token), user=user, used_at=time.time()))
    return token


def user_of(engine: sqlalchemy.Engine, token: str, idle_s: float) -> str | None:
    """The user of a session that was used within the last `idle_s` seconds."""
    with Session(engine.execution_options(readonly=True)) as session:
        row = session.get(LoginSession, digest(token))
        if row is None or row.used_at < time.time() - idle_s:
            return None
        return row.user


def touch(engine: sqlalchemy.Engine, token: str) -> None:
    """Note that the session is in use; written at most once a minute."""
    now = time.time()
    with Session(engine.execution_options(readonly=True)) as session:
        row = session.get(LoginSession, digest(token))
        if row is None or row.used_at > now - TOUCH_S:
            return
    with Session(engine) as session, session.begin():
        if row := session.get(LoginSession, digest(token)):
            row.used_at = now


def end(engine: sqlalchemy.Engine, token: str) -> None:
    """Close the session."""
    with Session(engine) as session, session.begin():
        session.execute(delete(LoginSession).where(LoginSession.token_hash == digest(token)))


def forget_idle(engine: sqlalchemy.Engine, idle_s: float) -> None:
    """Drop the sessions that nobody has used for `idle_s` seconds."""
    with Session(engine) as session, session.begin():
        session.execute(delete(LoginSession).where(LoginSession.used_at < time.time() - idle_s))
