"""How many wrong passwords are taken in a while, counted over all processes."""

from __future__ import annotations

import time

import sqlalchemy
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tomobeam_webapp.context import Base

WINDOW_S = 300.0
# By name and address: a stranger elsewhere cannot lock a scientist out.
PER_NAME_AND_ADDRESS = 5
PER_ADDRESS = 30
PER_NAME = 100


class FailedLogin(Base):
    """One wrong password."""

    __tablename__ = "failed_logins"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(index=True)
    name: Mapped[str]
    address: Mapped[str]


def wait_s(engine: sqlalchemy.Engine, name: str, address: str) -> float:
    """Seconds until the next attempt of `name` from `address` is taken; 0: now."""
    now = time.time()
    same_name, same_address = FailedLogin.name == name, FailedLogin.address == address
    limits = (
        ((same_name, same_address), PER_NAME_AND_ADDRESS),
        ((same_address,), PER_ADDRESS),
        ((same_name,), PER_NAME),
    )
    longest = 0.0
    with Session(engine.execution_options(readonly=True)) as session:
        for conditions, allowed in limits:
            recent = (FailedLogin.at > now - WINDOW_S, *conditions)
            count = session.scalar(select(func.count()).where(*recent)) or 0
            if count >= allowed:
                # The window is free again when the oldest of the last `allowed` leaves it.
                newest = select(FailedLogin.at).where(*recent).order_by(FailedLogin.at.desc())
                oldest = session.scalars(newest.limit(1).offset(allowed - 1)).one()
                longest = max(longest, oldest + WINDOW_S - now)
    return longest


def failed(engine: sqlalchemy.Engine, name: str, address: str) -> None:
    """Count a wrong password."""
    now = time.time()
    with Session(engine) as session, session.begin():
        session.execute(delete(FailedLogin).where(FailedLogin.at < now - WINDOW_S))
        session.add(FailedLogin(at=now, name=name[:64], address=address))


def succeeded(engine: sqlalchemy.Engine, name: str, address: str) -> None:
    """Forget the wrong passwords of this name from this address."""
    with Session(engine) as session, session.begin():
        session.execute(
            delete(FailedLogin).where(FailedLogin.name == name, FailedLogin.address == address)
        )
