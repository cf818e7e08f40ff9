"""Takes roles away from their hosts: what their stages ask for, in reverse, and nothing else.

Accounts and packages stay, as others may use them; so does data, unless the operator says
otherwise. What a role that stays asks for too is not touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from roles.postgresql import deploy as postgresql
from tomobeam_deploy.catalogue import services_on_hosts
from tomobeam_deploy.hosts.brought import Bundle, ContainerImage, FetchedImage, Packages
from tomobeam_deploy.hosts.deploy import is_for, plan
from tomobeam_deploy.hosts.resources import (
    Account,
    Command,
    File,
    Folder,
    Link,
    Overrides,
    Ran,
    Resource,
    Unit,
)
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Group, Site, SiteError
from tomobeam_deploy.site.faults import did_you_mean
from tomobeam_deploy.site.model import DATABASES

# What a host knows how to take away (`on_host`).
GOES = (Unit, Ran, Overrides, File, Link, Folder, Bundle, ContainerImage, FetchedImage)
STAYS = (Account, Packages)


@dataclass(frozen=True)
class Removal:
    """What of a role goes from a host, in this order, and what of it is there afterwards."""

    goes: tuple[Resource, ...] = ()
    data: tuple[Folder, ...] = ()
    stays: tuple[Resource, ...] = ()


def in_order(names: Iterable[str], roles: Mapping[str, ModuleType]) -> list[str]:
    """The roles as they are to be taken away: each before those that it needs.

    Raises:
        SiteError: a name is none, or a role that stays needs one; both name what to do.
    """
    leaving = list(dict.fromkeys(names))
    for name in leaving:
        if name not in roles:
            known = ", ".join(sorted(roles))
            meant = did_you_mean(name, roles)
            raise SiteError(f"role: there is no {name!r}{meant}; there are: {known}")
        if _is_everywhere(roles[name]):
            raise SiteError(f"role: {name} is what makes a host one of the site; it stays")
    needed = {name: _needed_by(name, roles) - set(leaving) for name in leaving}
    if any(needed.values()):
        all_of_them = ",".join([*leaving, *sorted(_closure(leaving, roles) - set(leaving))])
        who = "; ".join(
            f"{n} is needed by {', '.join(sorted(by))}" for n, by in needed.items() if by
        )
        raise SiteError(f"role: {who}; remove them too: role={all_of_them}")
    return sorted(leaving, key=lambda name: len(_closure([name], roles)))


def _is_everywhere(role: ModuleType) -> bool:
    return set(role.GROUPS) == set(Group)


def _needed_by(name: str, roles: Mapping[str, ModuleType]) -> set[str]:
    others = {other: role for other, role in roles.items() if not _is_everywhere(role)}
    return {other for other, role in others.items() if name in getattr(role, "NEEDS", ())}


def _closure(names: Iterable[str], roles: Mapping[str, ModuleType]) -> set[str]:
    """These roles, and all that need them, themselves or through others."""
    found: set[str] = set()
    left = set(names)
    while left:
        found |= left
        left = set().union(*(_needed_by(name, roles) for name in left)) - found
    return found


def removal(
    name: str, leaving: Collection[str], roles: Mapping[str, ModuleType], target: Target
) -> Removal:
    """What a role leaves behind on a host, together with the others that are `leaving`."""
    if not is_for(roles[name], target):
        return Removal()
    staying = [role for other, role in roles.items() if other not in leaving]
    asked = {resource.title for resource in _asked(staying, target)}
    own = [r for r in reversed(_asked([roles[name]], target)) if r.title not in asked]
    data = tuple(r for r in own if isinstance(r, Folder) and _is_data(target.site, r))
    return Removal(
        tuple(r for r in own if isinstance(r, GOES) and r not in data),
        data,
        tuple(r for r in own if isinstance(r, STAYS)),
    )


def _asked(roles: Iterable[ModuleType], target: Target) -> list[Resource]:
    return [r for resources in plan(list(roles), target).values() for r in resources]


def _is_data(site: Site, folder: Folder) -> bool:
    data = site.data
    roots = (data.state, data.writable, data.filestore, data.models)
    return any(Path(folder.path).is_relative_to(root) for root in roots)


def databases(site: Site, name: str) -> list[str]:
    """The databases in which a role's service keeps its data."""
    roles = {service.account: service.database_role for service in services_on_hosts(site).values()}
    return [database for database, role in DATABASES.items() if role == roles.get(name, "")]


def dropped(names: Sequence[str]) -> Command:
    """That PostgreSQL has none of these databases, whoever is still connected."""
    listed = ", ".join(f"'{name}'" for name in names)
    query = f"SELECT datname || ' is there' FROM pg_database WHERE datname IN ({listed})"
    return Command(
        name=f"databases {', '.join(names)} are gone",
        check=postgresql.nothing(f'{postgresql.QUERY} --command="{query}"'),
        apply=" && ".join(f"dropdb --if-exists --force {name}" for name in names),
        user=postgresql.USER,
    )
