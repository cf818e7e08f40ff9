"""The API keys of Tiled's partners: each may do what its wire needs and no more."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tiled.authn_database import orm
from tiled.authn_database.core import create_service

from tomobeam_tiled.databases import AUTHN
from tomobeam_tiled.settings import KeySettings

_READ = ("read:metadata", "read:data")
_WRITE = ("create:node", "write:metadata", "write:data")


@dataclass(frozen=True)
class Partner:
    """Who holds a key. Only Tiled's role `admin` contains `register` and `metrics`."""

    name: str
    role: str
    scopes: tuple[str, ...]

    @property
    def note(self) -> str:
        """By which the key is found again."""
        return f"tomobeam: {self.name}"


PARTNERS = (
    Partner("ingester", "admin", ("read:metadata", "write:metadata", "create:node", "register")),
    Partner("webapp", "user", _READ + _WRITE),
    Partner("job", "user", _READ + _WRITE),
    Partner("client", "user", _READ + _WRITE),
    Partner("monitoring", "admin", ("metrics",)),
)


async def install_keys(settings: KeySettings) -> list[str]:
    """Make Tiled know exactly the given keys; an older key of the same partner ends.

    Returns:
        The partners whose key is new.

    Raises:
        ValueError: a key is not hexadecimal.
        DatabaseFault: the database does not answer.
    """
    changed = []
    async with (
        AUTHN.engine(settings) as engine,
        AsyncSession(engine, expire_on_commit=False) as db,
    ):
        for partner in PARTNERS:
            secret: SecretStr = getattr(settings, f"tiled_key_{partner.name}")
            if await _install(db, partner, secret):
                changed.append(partner.name)
        await db.commit()
    return changed


async def _install(db: AsyncSession, partner: Partner, key_secret: SecretStr) -> bool:
    try:
        secret = bytes.fromhex(key_secret.get_secret_value())
    except ValueError:
        raise ValueError(f"the key of {partner.name} is not hexadecimal") from None
    digest = hashlib.sha256(secret).digest()
    query = select(orm.APIKey).filter(orm.APIKey.note == partner.note)
    known = list((await db.execute(query)).scalars().unique())
    scopes = list(partner.scopes)
    if [(key.hashed_secret, key.scopes) for key in known] == [(digest, scopes)]:
        return False
    if known:
        principal_id = known[0].principal_id
        for old in known:
            await db.delete(old)
        await db.flush()
    else:
        principal_id = (await create_service(db, partner.role)).id
    db.add(
        orm.APIKey(
            principal_id=principal_id,
            note=partner.note,
            scopes=scopes,
            first_eight=secret.hex()[:8],
            hashed_secret=digest,
        )
    )
    return True
