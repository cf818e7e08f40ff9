"""The page about users."""

from __future__ import annotations

from collections.abc import Sequence

from tomobeam_deploy.hosts.resources import Account, SharedGroup
from tomobeam_deploy.reference.asked import Asked
from tomobeam_deploy.reference.markdown import code, page, table
from tomobeam_deploy.site import Site

HEADS = ("user", "number", "also in", "home", "role")


def users(site: Site, everything: Sequence[Asked]) -> str:
    """The accounts and groups that each host gets, besides those of Debian packages."""
    rows: dict[str, list[tuple[str, ...]]] = {host: [] for host in site.hosts}
    for one in everything:
        for resource in one.resources:
            if isinstance(resource, SharedGroup):
                row = (f"group {code(resource.name)}", str(resource.gid), "", "", one.role)
                rows[one.host].append(row)
            if isinstance(resource, Account):
                groups = ", ".join(map(code, resource.groups))
                name, home = code(resource.name), code(resource.home)
                rows[one.host].append((name, str(resource.uid), groups, home, one.role))
    return page(site, "Users", {host: table(HEADS, found) for host, found in rows.items()})
