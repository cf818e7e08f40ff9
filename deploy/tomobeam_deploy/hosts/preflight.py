"""Everything that can be known to be wrong before a connection is opened."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from paramiko.hostkeys import HostKeys

from tomobeam_common.settings import fail
from tomobeam_deploy import pki, tls
from tomobeam_deploy.age_keys import SECRETS
from tomobeam_deploy.catalogue import secrets_of
from tomobeam_deploy.secrets import SecretsError
from tomobeam_deploy.site import Group, Runtime, Site, SiteError
from tomobeam_deploy.site.connection import SSH, known_hosts_file, ssh_port
from tomobeam_deploy.site.faults import did_you_mean
from tomobeam_deploy.site_secrets import all_names
from tomobeam_deploy.vault import Vault

REFUSED = 1
COMMAND = ".venv/bin/tomobeam-site"


def check_command_line() -> None:
    """End with one sentence and exit code 1 where pyinfra would go on, or do nothing and say 0."""
    given = command_line()
    try:
        _, warnings = check(Path(given["inventory"] or ""), [*given["limit"], *given["exclude"]])
    except (SiteError, SecretsError) as error:
        fail(str(error), REFUSED)
    for warning in warnings:
        sys.stderr.write(f"{warning}\n")


def command_line() -> dict[str, Any]:
    """What pyinfra was asked for, by the names that it has for it."""
    from pyinfra_cli.cli import cli

    with cli.make_context("pyinfra", sys.argv[1:], resilient_parsing=True) as context:
        return dict(context.params)


def check(
    inventory: Path, patterns: Iterable[str] = (), secrets: Path = SECRETS
) -> tuple[Site, list[str]]:
    """Load a site and see that a deploy can begin.

    Args:
        inventory: the site's file.
        patterns: to which hosts or groups the deploy is limited, as pyinfra understands them.
        secrets: the folder with the site's encrypted secrets.

    Returns:
        The site, and what is going to be wrong soon.

    Raises:
        SiteError: the inventory, a pattern, or a pinned host key is wrong.
        SecretsError: a secret or a certificate is missing or not valid.
    """
    site = Site.load(inventory)
    limited(site, inventory, patterns)
    vault = Vault.load(site.name, secrets)
    vault.check(all_names(site, secrets_of(site)))
    warnings = _check_certificates(site, inventory, vault)
    _check_host_keys(site, inventory)
    return site, warnings


def check_images(site: Site) -> None:
    """See that this machine can say which images hosts are to have, where it makes them.

    Raises:
        SiteError: it has no podman.
    """
    wanting = [host for host in site.hosts if site.launchers_on(host).deployed_podman]
    if wanting and not site.published and shutil.which(Runtime.PODMAN) is None:
        raise SiteError(
            f"hosts.{wanting[0]}.launchers.podman: this machine makes the images of its jobs, and "
            "has no podman; install Debian's package of that name here, or say by `published` "
            "where they are fetched from"
        )


def hosts_of(site: Site, inventory: Path, pattern: str) -> list[str]:
    """The hosts that one pattern of --limit or --exclude means.

    Raises:
        SiteError: there are none, for which pyinfra ends with 0 and does nothing.
    """
    groups = {group.value: site.members(group) for group in Group} | {
        inventory.name: list(site.hosts)
    }
    hosts = groups.get(pattern) or [name for name in site.hosts if fnmatch(name, pattern)]
    if not hosts:
        meant = did_you_mean(pattern, [*site.hosts, *groups])
        raise SiteError(f"{inventory}: no host or group is called {pattern!r}{meant}")
    return hosts


def limited(site: Site, inventory: Path, patterns: Iterable[str]) -> list[str]:
    """The hosts that patterns of --limit leave, in their order; all of them where there are none.

    Raises:
        SiteError: the site has no hosts, or a pattern means none of them.
    """
    if not site.hosts:
        raise SiteError(f"{inventory}: hosts: there are none; {site.name} runs on one machine")
    meant = [set(hosts_of(site, inventory, pattern)) for pattern in patterns]
    return [host for host in site.hosts if not meant or host in set().union(*meant)]


def key_name(site: Site, inventory: Path, host: str) -> str:
    """By which name the SSH key of a host stands in the file of known hosts."""
    address = str(site.hosts[host].address)
    port = ssh_port(inventory)
    return address if port == SSH else f"[{address}]:{port}"


def _check_certificates(site: Site, inventory: Path, vault: Vault) -> list[str]:
    now, values = datetime.now(UTC), vault.values()
    warnings = []
    for host in site.hosts:
        about = f"{vault.path}: {tls.cert_name(host)}"
        renew = f"renew it by: {COMMAND} secrets ensure {inventory}"
        try:
            if tls.is_imported(host, values):
                renew = f"put a new one there by: {COMMAND} secrets import-cert {inventory} {host}"
            faults = tls.faults(site, host, values, now, margin=timedelta(0))
            soon = tls.faults(site, host, values, now)
        except pki.CertificateError as error:
            raise SecretsError(f"{about}: {error}; {renew}") from error
        if faults:
            raise SecretsError(f"{about}: the certificate {'; '.join(faults)}; {renew}")
        warnings += [f"{about}: the certificate {fault}; {renew}" for fault in soon]
    return warnings


def _check_host_keys(site: Site, inventory: Path) -> None:
    path = known_hosts_file(inventory)
    pinned = HostKeys(str(path)) if path.is_file() else HostKeys()
    unknown = [host for host in site.hosts if not pinned.lookup(key_name(site, inventory, host))]
    if unknown:
        raise SiteError(
            f"{path}: pins no SSH host key of {', '.join(unknown)}; look at the keys and add them "
            f"by: {COMMAND} trust {inventory} {' '.join(unknown)}"
        )
