"""Keys and certificates out of PEM text and back into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tomobeam_deploy.secrets import SecretsError

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey


class CertificateError(SecretsError):
    """A text is no certificate or no key of use; the sentence lacks its subject."""


@dataclass(frozen=True)
class Pair:
    """A private key (PKCS8) and its certificate, which its intermediates may follow; PEM."""

    key: str = field(repr=False)
    cert: str


def split(bundle_pem: str) -> list[str]:
    """The certificates of a text, each as PEM without what stood around it.

    Raises:
        CertificateError: there is none in it.
    """
    return [cert_pem(cert) for cert in load_certs(bundle_pem)]


def plain_key(key_pem: str) -> str:
    """A private key in the one form that we keep: PKCS8.

    Raises:
        CertificateError: there is none in the text, a passphrase protects it, or browsers would
            refuse its kind.
    """
    return write_key(load_key(key_pem))


def key_fits(cert_pem: str, key_pem: str) -> bool:
    """Whether the key is the certificate's."""
    return leaf(cert_pem).public_key() == load_key(key_pem).public_key()


def ends(cert_pem: str) -> datetime:
    """When the certificate ends."""
    return leaf(cert_pem).not_valid_after_utc


def names_issuer(cert_pem: str, ca_pem: str) -> bool:
    """Whether a certificate names this CA, or another one of that name, as its issuer."""
    return leaf(cert_pem).issuer == leaf(ca_pem).subject


def leaf(pem: str) -> x509.Certificate:
    """The first certificate of a text."""
    return load_certs(pem)[0]


def load_certs(pem: str) -> list[x509.Certificate]:
    """All certificates of a text, in its order."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise CertificateError("holds no certificate in PEM form") from None


def cert_pem(cert: x509.Certificate) -> str:
    """A certificate as text."""
    return cert.public_bytes(Encoding.PEM).decode()


def load_key(pem: str) -> PrivateKey:
    """The private key of a text."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise CertificateError(
            "is protected by a passphrase; decrypt it by: openssl pkey"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("holds no private key in PEM form") from None
    if not isinstance(key, PrivateKey):
        raise CertificateError("is a key of a kind that browsers refuse; wanted is EC or RSA")
    return key


def write_key(key: PrivateKey) -> str:
    """A private key as text."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
