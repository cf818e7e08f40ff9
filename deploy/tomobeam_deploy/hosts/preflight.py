"""Everything that can be known to be wrong before a connection is opened."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from paramiko.hostkeys import HostKeys

from tomobeam_common.settings import fail
from tomobeam_deploy import pki
from tomobeam_deploy.catalogue import secrets_of
from tomobeam_deploy.secrets import SecretsError
from tomobeam_deploy.site import Group, Site, SiteError
from tomobeam_deploy.site.connection import known_hosts_file
from tomobeam_deploy.site.faults import did_you_mean
from tomobeam_deploy.vault import Vault

REFUSED = 1


def check_command_line() -> None:
    """End with one sentence and exit code 1 where pyinfra would go on, or do nothing and say 0."""
    from pyinfra_cli.cli import cli

    with cli.make_context("pyinfra", sys.argv[1:], resilient_parsing=True) as context:
        given = dict(context.params)
    try:
        check(Path(given.get("inventory") or ""), [*given["limit"], *given["exclude"]])
    except (SiteError, SecretsError) as error:
        fail(str(error), REFUSED)


def check(inventory: Path, patterns: Iterable[str] = ()) -> Site:
    """Load a site and see that a deploy can begin.

    Raises:
        SiteError: the inventory, a pattern that names its hosts, or a pinned host key is wrong.
        SecretsError: a secret or a certificate is missing or not valid.
    """
    site = Site.load(inventory)
    if not site.hosts:
        raise SiteError(f"{inventory}: hosts: there are none; {site.name} runs on one machine")
    _patterns_match(site, inventory, patterns)
    _keys_are_pinned(site, inventory)
    vault = Vault.load(site.name)
    vault.check(secrets_of(site) | {f"tls-key-{host}" for host in site.hosts})
    _certificates_are_valid(site, inventory, vault)
    return site


def _patterns_match(site: Site, inventory: Path, patterns: Iterable[str]) -> None:
    known = [*site.hosts, *(group.value for group in Group), "all", inventory.name]
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in known):
            raise SiteError(
                f"{inventory}: no host or group is called {pattern!r}{did_you_mean(pattern, known)}"
            )


def _keys_are_pinned(site: Site, inventory: Path) -> None:
    path = known_hosts_file(inventory)
    pinned = HostKeys(str(path)) if path.is_file() else HostKeys()
    unknown = [name for name, host in site.hosts.items() if not pinned.lookup(str(host.address))]
    if unknown:
        raise SiteError(
            f"{path}: pins no SSH host key of {', '.join(unknown)}; look at the keys and add them "
            f"by: tomobeam-site trust {inventory} {' '.join(unknown)}"
        )


def _certificates_are_valid(site: Site, inventory: Path, vault: Vault) -> None:
    now = datetime.now(UTC)
    for host in site.hosts:
        faults = [
            fault
            for fault in pki.certificate_faults(
                vault.get(f"tls-cert-{host}"), vault.get("tls-ca-cert"), site.names_of(host), now
            )
            if "ends" not in fault
        ]
        if faults:
            raise SecretsError(
                f"{vault.path}: the certificate of {host} {'; '.join(faults)}; "
                f"renew it by: tomobeam-site secrets ensure {inventory}"
            )
