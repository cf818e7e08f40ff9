"""Which secrets a site has, and what has to be put so that it has all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from tomobeam_deploy import tls
from tomobeam_deploy.secrets import Hidden, SecretsError, generate
from tomobeam_deploy.site.faults import did_you_mean
from tomobeam_deploy.tls import SiteLike


def all_names(site: SiteLike, of_services: Iterable[str]) -> set[str]:
    """The names of a site's secrets: those that its services are given, and its certificates'."""
    return {*of_services, *tls.tls_names(site)}


def completed(
    site: SiteLike, of_services: Iterable[str], values: Mapping[str, str], now: datetime
) -> Hidden:
    """New values for what is missing, and certificates in place of those that have a fault.

    Raises:
        SecretsError: something cannot be made.
    """
    wanted = {*of_services, tls.KEYSTORE_PASSWORD}
    plain = generate(wanted - set(values))
    return plain | tls.complete(site, Hidden(values) | plain, now)


def rotated(
    site: SiteLike,
    of_services: Iterable[str],
    names: Iterable[str],
    values: Mapping[str, str],
    now: datetime,
) -> Hidden:
    """New values for these names and for what depends on them, and for what is missing.

    Raises:
        SecretsError: the site has no such secret, or a certificate was imported.
    """
    of_services, known = set(of_services), all_names(site, of_services)
    old: set[str] = set()
    for name in names:
        if name not in known:
            raise SecretsError(f"{name}: no such secret of {site.name}{did_you_mean(name, known)}")
        host = tls.host_of(name)
        if host and tls.is_imported(host, values):
            raise SecretsError(
                f"{name}: the certificate of {host} was imported; "
                "put a new one in its place by the command import-cert"
            )
        old |= _together(name, host)
    kept = {name: value for name, value in values.items() if name not in old}
    return completed(site, of_services, Hidden(kept), now)


def rotatable(site: SiteLike, of_services: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """All names but those of imported certificates."""
    imported = {host for host in site.hosts if tls.is_imported(host, values)}
    return sorted(n for n in all_names(site, of_services) if tls.host_of(n) not in imported)


def _together(name: str, host: str | None) -> set[str]:
    """What is made anew together with a secret."""
    if host:
        return {tls.key_name(host), tls.cert_name(host), tls.keystore_name(host)}
    # The CA's certificate stays, for the CAs of imported ones stand beside it.
    return {tls.CA_KEY} if name in (tls.CA_KEY, tls.CA_CERT) else {name}
