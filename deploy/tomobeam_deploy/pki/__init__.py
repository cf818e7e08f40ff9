"""Certificates: an internal CA, what it issues to hosts, and what may be wrong with one.

Keys and certificates travel as PEM text, because that is how they are kept among the secrets.
"""

from tomobeam_deploy.pki.authority import LOCAL_NAMES, issue, new_ca
from tomobeam_deploy.pki.faults import RENEWAL, certificate_faults, leads_to, validity_faults
from tomobeam_deploy.pki.keystore import pkcs12, pkcs12_fits
from tomobeam_deploy.pki.pem import (
    CertificateError,
    Pair,
    ends,
    key_fits,
    names_issuer,
    plain_key,
    split,
)

__all__ = [
    "LOCAL_NAMES",
    "RENEWAL",
    "CertificateError",
    "Pair",
    "certificate_faults",
    "ends",
    "issue",
    "key_fits",
    "leads_to",
    "names_issuer",
    "new_ca",
    "pkcs12",
    "pkcs12_fits",
    "plain_key",
    "split",
    "validity_faults",
]
