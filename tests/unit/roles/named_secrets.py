"""A host whose every secret says what it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from tomobeam_deploy.catalogue import secrets_of
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Site
from tomobeam_deploy.tls import tls_names
from tomobeam_deploy.vault import Secret, Vault


def target(site: Site, host: str, **changed: str) -> Target:
    """A host of a site; `changed` are secrets, _ for -, that are something else."""
    made = datetime(2026, 1, 1, tzinfo=UTC)
    values = {name: f"the {name}" for name in {*secrets_of(site), *tls_names(site)}}
    values |= {name.replace("_", "-"): value for name, value in changed.items()}
    secrets = {k: Secret(value=SecretStr(v), made=made) for k, v in values.items()}
    return Target(site, host, Vault(Path("secrets.age"), secrets))
