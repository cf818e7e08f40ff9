"""The sites of this repository's inventories, with all their secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from tests.support.platform import REPOSITORY
from tomobeam_deploy.catalogue import secrets_of
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Site
from tomobeam_deploy.site_secrets import completed
from tomobeam_deploy.vault import Secret, Vault

OF_HOSTS = ("beamline", "lab", "single")


@cache
def vault(name: str) -> Vault:
    """Freshly made secrets."""
    site, now = load(name), datetime.now(UTC)
    values = completed(site, secrets_of(site), {}, now)
    secrets = {key: Secret(value=SecretStr(value), made=now) for key, value in values.items()}
    return Vault(Path(f"{name}.age"), secrets)


@cache
def load(name: str = "lab") -> Site:
    """The site of an inventory."""
    return Site.load(REPOSITORY / "inventories" / name)


def targets(name: str = "lab") -> dict[str, Target]:
    """Its hosts as roles see them."""
    site = load(name)
    return {host: Target(site, host, vault(name)) for host in site.hosts}
