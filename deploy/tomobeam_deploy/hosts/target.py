"""One host as the roles see it: what it is for, what runs there, which secrets it may have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tomobeam_deploy.catalogue import services_on_hosts
from tomobeam_deploy.secrets import PGPASS_PREFIX, pgpass, pgpass_name
from tomobeam_deploy.service import Placement, Process, Service, place
from tomobeam_deploy.site import Accounts, Group, Host, Site
from tomobeam_deploy.site.hosts import HOLDERS
from tomobeam_deploy.vault import Vault

ETC = Path("/etc/tomobeam")
OPT = Path("/opt/tomobeam")
CA = ETC / "ca.crt"
CERTIFICATE = ETC / "host.crt"
REGISTRY = ETC / "registry.json"
SHARED_GROUP = "tomobeam"


@dataclass(frozen=True)
class Target:
    """A host of a site, with the vault that holds its secrets."""

    site: Site
    name: str
    vault: Vault

    @property
    def host(self) -> Host:
        """What the inventory says of it."""
        return self.site.hosts[self.name]

    def is_in(self, *groups: Group) -> bool:
        """Whether the host is in one of these groups."""
        return bool(self.host.groups & set(groups))

    @cached_property
    def processes(self) -> dict[str, Process]:
        """The services that this host holds, each in its place."""
        return {
            name: place(service, self._placement(service))
            for name, service in services_on_hosts(self.site).items()
            if HOLDERS[service.account] in self.host.groups
        }

    def secret(self, name: str) -> str:
        """A secret's value; those that programs want in a form of their own are made of others.

        Raises:
            SecretsError: the vault has none of that name.
        """
        if name.startswith(PGPASS_PREFIX):
            role = name.removeprefix(PGPASS_PREFIX)
            server, port = self.site.host_of("postgresql"), self.site.ports.postgresql
            return pgpass(server, port, role, self.vault.get(f"db-{role}"))
        return self.vault.get(name)

    def digest(self, *names: str) -> str:
        """A hash of secrets, by which a change of one shows."""
        text = "\0".join(self.secret(name) for name in sorted(names))
        return hashlib.sha256(text.encode()).hexdigest()

    def _placement(self, service: Service) -> Placement:
        home = OPT / service.name / "current/bin"
        environment = {"SSL_CERT_FILE": str(CA)}
        secret_files = {}
        if service.database_role:
            environment["PGSSLROOTCERT"] = str(CA)
            secret_files["PGPASSFILE"] = pgpass_name(service.database_role)
        return Placement(
            site=self.site,
            bin=home,
            config=ETC / service.name,
            state=self.site.data.state / service.name,
            secrets=ETC / service.name / "secrets",
            user=Accounts.name(service.name),
            worker_name=self.name,
            models=self.site.path_on(self.name, self.site.data.models),
            registry=REGISTRY,
            tls_ca=CA,
            environment=environment,
            secret_files=secret_files,
            values={"job_bin": str(home)},
        )
