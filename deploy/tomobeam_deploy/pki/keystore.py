"""Keystores for Java, whose TLS reads no PEM."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    load_pkcs12,
    serialize_key_and_certificates,
)

from tomobeam_deploy.pki.pem import Pair, load_certs, load_key

_FRIENDLY_NAME = b"tomobeam"


def pkcs12(pair: Pair, password: str) -> bytes:
    """Key, certificate and intermediates as a PKCS12 keystore.

    Its salts are random: two keystores of the same pair differ. Keep the one that was made, and
    ask `pkcs12_fits` whether it still is right.
    """
    cert, *intermediates = load_certs(pair.cert)
    encryption = BestAvailableEncryption(password.encode())
    return serialize_key_and_certificates(
        _FRIENDLY_NAME, load_key(pair.key), cert, intermediates, encryption
    )


def pkcs12_fits(keystore: bytes, pair: Pair, password: str) -> bool:
    """Whether the password opens the keystore and it holds this pair."""
    try:
        held = load_pkcs12(keystore, password.encode())
    except ValueError:
        return False
    if held.key is None or held.cert is None:
        return False
    certs = [held.cert.certificate, *(further.certificate for further in held.additional_certs)]
    return certs == load_certs(pair.cert) and (
        held.key.public_key() == load_key(pair.key).public_key()
    )
