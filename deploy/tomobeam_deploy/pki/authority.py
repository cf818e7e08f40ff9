"""The internal CA, and the certificates that it issues."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tomobeam_deploy.pki.pem import Pair, cert_pem, leaf, load_key, write_key

CA_LIFETIME = timedelta(days=3652)
# Some clients refuse certificates that last longer.
HOST_LIFETIME = timedelta(days=825)
# A host whose clock is slow takes a new certificate too.
CLOCK_TOLERANCE = timedelta(days=1)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

_COMMON_NAME_LIMIT = 64
_PURPOSES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


def new_ca(site_name: str, now: datetime) -> Pair:
    """A CA for a site; it may issue to hosts, but not to further CAs."""
    key = ec.generate_private_key(ec.SECP256R1())
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tomobeam")
    name = x509.Name([organisation, _common_name(f"{site_name} internal CA")])
    begins = now - CLOCK_TOLERANCE
    builder = _builder(key, subject=name, issuer=name, begins=begins, ends=begins + CA_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(of_ca=True), critical=True)
    return Pair(write_key(key), cert_pem(builder.sign(key, hashes.SHA256())))


def issue(ca: Pair, names: Iterable[str], now: datetime) -> Pair:
    """A new key and certificate for a host, as server and as client.

    `names` are its DNS names and IP addresses, the first of them its common name; those of the
    loopback are added. It ends no later than the CA does.
    """
    borne = list(dict.fromkeys([*names, *LOCAL_NAMES]))
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = leaf(ca.cert)
    begins = max(now - CLOCK_TOLERANCE, issuer.not_valid_before_utc)
    ends = min(begins + HOST_LIFETIME, issuer.not_valid_after_utc)
    subject = x509.Name([_common_name(borne[0])])
    issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id)
    builder = (
        _builder(key, subject=subject, issuer=issuer.subject, begins=begins, ends=ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(of_ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_PURPOSES), critical=False)
        .add_extension(authority, critical=False)
        .add_extension(
            x509.SubjectAlternativeName([general_name(name) for name in borne]), critical=False
        )
    )
    return Pair(write_key(key), cert_pem(builder.sign(load_key(ca.key), hashes.SHA256())))


def general_name(name: str) -> x509.GeneralName:
    """A DNS name or an IP address as certificates hold it."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    key: ec.EllipticCurvePrivateKey,
    *,
    subject: x509.Name,
    issuer: x509.Name,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(identifier, critical=False)
    )


def _key_usage(*, of_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not of_ca,
        key_cert_sign=of_ca,
        crl_sign=of_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(text: str) -> x509.NameAttribute:
    return x509.NameAttribute(NameOID.COMMON_NAME, text[:_COMMON_NAME_LIMIT])
