"""The certificates among a site's secrets: the internal CA's, each host's, or the site's own.

`tls-ca-cert` is what everybody trusts: the internal CA, then the CAs of certificates that were
imported. A host's certificate counts as imported unless it names the internal CA as its issuer.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Protocol, TypeVar

from tomobeam_deploy import pki
from tomobeam_deploy.secrets import TLS_PREFIX, Hidden, SecretsError
from tomobeam_deploy.site.faults import did_you_mean

CA_KEY = f"{TLS_PREFIX}ca-key"
CA_CERT = f"{TLS_PREFIX}ca-cert"
KEYSTORE_PASSWORD = "broker-keystore"

_OF_HOST = tuple(f"{TLS_PREFIX}{kind}-" for kind in ("key", "cert", "p12"))


T = TypeVar("T")


class HostLike(Protocol):
    """What of a host its certificate depends on."""

    @property
    def address(self) -> IPv4Address | IPv6Address: ...  # noqa: D102


class SiteLike(Protocol):
    """What of a site its certificates depend on."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def hosts(self) -> Mapping[str, HostLike]: ...  # noqa: D102

    def names_of(self, host: str) -> list[str]: ...  # noqa: D102

    def host_of(self, service: str) -> str: ...  # noqa: D102


def key_name(host: str) -> str:
    """Of the secret with a host's private key (PEM, PKCS8)."""
    return f"{TLS_PREFIX}key-{host}"


def cert_name(host: str) -> str:
    """Of the secret with a host's certificate and its intermediates (PEM)."""
    return f"{TLS_PREFIX}cert-{host}"


def keystore_name(host: str) -> str:
    """Of the secret with both for the broker, as Java's TLS reads no PEM.

    PKCS12 in base64, under the password that the secret `broker-keystore` is.
    """
    return f"{TLS_PREFIX}p12-{host}"


def tls_names(site: SiteLike) -> set[str]:
    """The names of all secrets of this module that a site has."""
    of_hosts = {name(host) for host in site.hosts for name in (key_name, cert_name)}
    return {CA_KEY, CA_CERT, KEYSTORE_PASSWORD, keystore_name(site.host_of("broker")), *of_hosts}


def host_of(name: str) -> str | None:
    """Of which host a secret is a part of the certificate."""
    return next((name.removeprefix(kind) for kind in _OF_HOST if name.startswith(kind)), None)


def is_imported(host: str, values: Mapping[str, str]) -> bool:
    """Whether a host's certificate comes from elsewhere."""
    held = [values.get(name) for name in (cert_name(host), CA_CERT)]
    return all(held) and not pki.names_issuer(values[cert_name(host)], values[CA_CERT])


def faults(
    site: SiteLike,
    host: str,
    values: Mapping[str, str],
    now: datetime,
    *,
    margin: timedelta = pki.RENEWAL,
) -> list[str]:
    """What is wrong with a host's certificate; one that ends within `margin` is a fault too.

    Of an imported one only the host's DNS names are asked: a public CA vouches for no others.
    """
    imported = is_imported(host, values)
    names = site.names_of(host) if imported else _names_issued(site, host)
    cert, key = values[cert_name(host)], values[key_name(host)]
    return pki.certificate_faults(cert, values[CA_CERT], names, now, key_pem=key, margin=margin)


def complete(site: SiteLike, values: Mapping[str, str], now: datetime) -> Hidden:
    """What has to be put so that every host has a certificate that is right.

    Issued are those that are missing, and of the internal CA's those that have a fault. Imported
    ones stay as they are.
    """
    ca, others = _authority(site, values, now)
    right = Hidden({CA_KEY: ca.key, CA_CERT: ca.cert + "".join(others)})
    for host in site.hosts:
        pair = _kept(site, host, Hidden(values) | right, now)
        pair = pair or pki.issue(ca, _names_issued(site, host), now)
        right |= {key_name(host): pair.key, cert_name(host): pair.cert}
        if host == site.host_of("broker"):
            right |= {keystore_name(host): _keystore(host, pair, values)}
    return Hidden({name: value for name, value in right.items() if values.get(name) != value})


def import_certificate(
    site: SiteLike,
    host: str,
    files: tuple[Path, Path, Path | None],
    values: Mapping[str, str],
    now: datetime,
) -> Hidden:
    """What has to be put so that a host has the certificate of these files.

    Args:
        site: whose host it is.
        host: its name.
        files: certificate with its intermediates, private key, and the CA unless it is known.
        values: the site's secrets.
        now: with a time zone.

    Raises:
        SecretsError: there is no such host, or a file or the certificate has a fault.
    """
    if host not in site.hosts:
        raise SecretsError(f"{host}: no such host{did_you_mean(host, site.hosts)}")
    if CA_KEY not in values:
        raise SecretsError(
            f"{site.name}: has no secrets yet; make them first by the command ensure"
        )
    cert_file, key_file, ca_file = files
    cert = "".join(_read(cert_file, pki.split))
    key = _read(key_file, pki.plain_key)
    trusted = pki.split(values[CA_CERT]) + (_read(ca_file, pki.split) if ca_file else [])
    bundle = "".join(dict.fromkeys(trusted))
    found = pki.certificate_faults(
        cert, bundle, site.names_of(host), now, key_pem=key, margin=timedelta(0)
    )
    if found:
        raise SecretsError(f"{cert_file}: this certificate {', and '.join(found)}")
    imported = Hidden({cert_name(host): cert, key_name(host): key, CA_CERT: bundle})
    return imported | complete(site, Hidden(values) | imported, now)


def _authority(
    site: SiteLike, values: Mapping[str, str], now: datetime
) -> tuple[pki.Pair, list[str]]:
    """The internal CA, a new one if need be, and the CAs of what was imported."""
    first, *others = pki.split(values[CA_CERT]) if CA_CERT in values else [""]
    key = values.get(CA_KEY)
    kept = [ca for ca in others if any(_leads_to(host, values, ca) for host in site.hosts)]
    if first and key and pki.key_fits(first, key) and not pki.validity_faults(first, now):
        return pki.Pair(key, first), kept
    return pki.new_ca(site.name, now), kept


def _kept(site: SiteLike, host: str, values: Mapping[str, str], now: datetime) -> pki.Pair | None:
    """The present key and certificate of a host, if they may stay."""
    if key_name(host) not in values or cert_name(host) not in values:
        return None
    if not is_imported(host, values) and faults(site, host, values, now):
        return None
    return pki.Pair(values[key_name(host)], values[cert_name(host)])


def _leads_to(host: str, values: Mapping[str, str], ca: str) -> bool:
    return cert_name(host) in values and pki.leads_to(values[cert_name(host)], ca)


def _names_issued(site: SiteLike, host: str) -> list[str]:
    return [*site.names_of(host), str(site.hosts[host].address), *pki.LOCAL_NAMES]


def _keystore(host: str, pair: pki.Pair, values: Mapping[str, str]) -> str:
    """The present keystore of a host if it fits, otherwise a new one."""
    password, present = values[KEYSTORE_PASSWORD], values.get(keystore_name(host))
    if present and pki.pkcs12_fits(base64.b64decode(present), pair, password):
        return present
    return base64.b64encode(pki.pkcs12(pair, password)).decode()


def _read(path: Path, parse: Callable[[str], T]) -> T:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SecretsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SecretsError(
            f"{path}: is not PEM; convert it by: openssl x509, or openssl pkey"
        ) from None
    except pki.CertificateError as error:
        raise SecretsError(f"{path}: {error}") from error
