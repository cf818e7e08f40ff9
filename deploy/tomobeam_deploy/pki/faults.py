"""What may be wrong with a certificate, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from tomobeam_deploy.pki.authority import general_name
from tomobeam_deploy.pki.pem import key_fits, leaf, load_certs

RENEWAL = timedelta(days=30)


def certificate_faults(
    cert_pem: str,
    ca_pem: str,
    names: Iterable[str],
    now: datetime,
    *,
    key_pem: str | None = None,
    margin: timedelta = RENEWAL,
) -> list[str]:
    """What is wrong with a host's certificate, in sentences without their subject.

    Args:
        cert_pem: the certificate, then its intermediates if it has any.
        ca_pem: the CAs that are trusted; one of them must have signed it.
        names: DNS names and IP addresses that it has to bear.
        now: with a time zone.
        key_pem: its private key, if that is to be checked too.
        margin: a certificate that ends sooner than this is a fault.

    Raises:
        CertificateError: a text holds no certificate or no key.
    """
    cert, *intermediates = load_certs(cert_pem)
    faults = list(_of_time(cert, now, margin))
    lacking = [name for name in names if not _bears(cert, name)]
    if lacking:
        faults.append(f"lacks the name {', '.join(lacking)}")
    if not _is_for_servers(cert):
        faults.append("is not meant for servers (extended key usage)")
    if key_pem is not None and not key_fits(cert_pem, key_pem):
        faults.append("does not fit its private key")
    return faults + _of_chain(cert, intermediates, load_certs(ca_pem), now)


def validity_faults(cert_pem: str, now: datetime) -> list[str]:
    """Of `certificate_faults` only those of time."""
    return list(_of_time(leaf(cert_pem), now, RENEWAL))


def leads_to(cert_pem: str, ca_pem: str) -> bool:
    """Whether the certificate's chain of signatures ends at this CA."""
    cert, *intermediates = load_certs(cert_pem)
    return _refusal(cert, intermediates, leaf(ca_pem)) is None


def _of_time(cert: x509.Certificate, now: datetime, margin: timedelta) -> Iterator[str]:
    begins, ends = cert.not_valid_before_utc, cert.not_valid_after_utc
    if now < begins:
        yield f"is not valid before {begins:%Y-%m-%d %H:%M} UTC"
    elif now >= ends:
        yield f"expired on {ends:%Y-%m-%d}"
    elif ends - now < margin:
        yield f"ends in {(ends - now).days} days, on {ends:%Y-%m-%d}"


def _of_chain(
    cert: x509.Certificate,
    intermediates: list[x509.Certificate],
    roots: list[x509.Certificate],
    now: datetime,
) -> list[str]:
    reasons = []
    for root in roots:
        reason = _refusal(cert, intermediates, root)
        if reason is None:
            return [
                f"has a CA ({ca.subject.rfc4514_string()}) that {fault}"
                for ca in (*intermediates, root)
                for fault in _of_time(ca, now, timedelta(0))
            ]
        reasons.append(f"{root.subject.rfc4514_string()}{reason}")
    return [f"is not signed by this CA ({', '.join(reasons)})"]


def _refusal(
    cert: x509.Certificate, intermediates: list[x509.Certificate], root: x509.Certificate
) -> str | None:
    """Why a chain does not hold, at a moment when all of it was valid; None: it holds.

    By signatures and constraints alone: the web's rules for extensions are stricter than what
    OpenSSL, Java and Go ask of a site's CA.
    """
    ca_policy = ExtensionPolicy.permit_all().require_present(
        x509.BasicConstraints, Criticality.AGNOSTIC, None
    )
    verifier = (
        PolicyBuilder()
        .store(Store([root]))
        .time(max(each.not_valid_before_utc for each in (cert, *intermediates, root)))
        .extension_policies(ca_policy=ca_policy, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        verifier.verify(cert, intermediates)
    except VerificationError as error:
        reason = str(error).rpartition("candidates exhausted: ")[2]
        return "" if reason.endswith("no interior errors") else f": {reason}"
    return None


def _bears(cert: x509.Certificate, name: str) -> bool:
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    wanted = general_name(name)
    if isinstance(wanted, x509.IPAddress):
        return wanted in names
    borne = {dns.lower() for dns in names.get_values_for_type(x509.DNSName)}
    domain = name.lower().partition(".")[2]
    return name.lower() in borne or f"*.{domain}" in borne


def _is_for_servers(cert: x509.Certificate) -> bool:
    try:
        usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage
