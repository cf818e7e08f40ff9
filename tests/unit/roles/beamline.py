"""The example of a beamline as roles see it, with secrets that are only names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.support.platform import REPOSITORY
from tomobeam_deploy.hosts.resources import Command, File, Resource
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Group, Site
from tomobeam_deploy.vault import Secret, Vault


def load(name: str = "lab", **changes: Any) -> Site:
    """The site of an inventory, changed and checked anew."""
    site = Site.load(REPOSITORY / "inventories" / name)
    return Site(**(dict(site) | changes))


def target(site: Site, host: str) -> Target:
    """A host of it."""
    made = datetime(2026, 1, 1, tzinfo=UTC)
    names = [f"tls-{kind}-{host}" for kind in ("key", "cert")]
    values = {name: Secret(value=SecretStr(f"the {name}\n"), made=made) for name in names}
    return Target(site, host, Vault(Path("secrets.age"), values))


def member(site: Site, group: Group) -> str:
    """The first host of a group."""
    return site.members(group)[0]


def text(resources: list[Resource], path: str) -> str:
    """What a file among them says."""
    return next(r.content.decode() for r in resources if isinstance(r, File) and r.path == path)


def command(resources: list[Resource], name: str) -> Command:
    """A command among them."""
    return next(r for r in resources if isinstance(r, Command) and r.name == name)
