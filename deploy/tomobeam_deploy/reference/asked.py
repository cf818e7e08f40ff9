"""What roles ask of hosts, and which secrets are in it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from tomobeam_deploy import tls
from tomobeam_deploy.catalogue import secrets_of
from tomobeam_deploy.hosts.deploy import name_of, plan
from tomobeam_deploy.hosts.resources import File, Resource
from tomobeam_deploy.hosts.roles import every_role
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Site
from tomobeam_deploy.site_secrets import all_names
from tomobeam_deploy.vault import Secret, Vault


@dataclass(frozen=True)
class Asked:
    """What one role asks of one host; `given` are the names of the secrets that it was given."""

    host: str
    role: str
    resources: tuple[Resource, ...]
    given: frozenset[str]


@dataclass(frozen=True)
class StandIns(Vault):
    """Secrets whose values only tell which they are; `given` remembers who was asked for."""

    given: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, site: Site) -> StandIns:
        """One for each secret of a site."""
        made = datetime.fromtimestamp(0, UTC)
        values = {name: _value(site, name) for name in names_of(site)}
        secrets = {key: Secret(value=SecretStr(value), made=made) for key, value in values.items()}
        return cls(Path(f"{site.name}.age"), secrets)

    def get(self, name: str) -> str:
        """A stand-in.

        Raises:
            SecretsError: the site has no such secret.
        """
        self.given.add(name)
        return super().get(name)


def names_of(site: Site) -> list[str]:
    """The names of all secrets of a site."""
    return sorted(all_names(site, secrets_of(site)))


def asked(site: Site) -> Iterator[Asked]:
    """What every role asks of every host; what is asked alike by two is the first one's."""
    roles = every_role().values()
    for host in site.hosts:
        known: set[str] = set()
        for role in roles:
            vault = StandIns.of(site)
            steps = plan([role], Target(site, host, vault))
            new = [r for resources in steps.values() for r in resources if r.title not in known]
            known |= {resource.title for resource in new}
            yield Asked(host, name_of(role), tuple(new), frozenset(vault.given))


def secrets_in(file: File, names: list[str]) -> list[str]:
    """Which secrets a file holds."""
    return [name for name in names if _mark(name).encode() in file.content]


def _mark(name: str) -> str:
    return f"secret-{name}-value"


def _value(site: Site, name: str) -> str:
    # The one that roles decode.
    if name == tls.keystore_name(site.host_of("broker")):
        return base64.b64encode(_mark(name).encode()).decode()
    return _mark(name)
