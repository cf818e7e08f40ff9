"""Whom we trust over TLS, and in words why somebody is not trusted."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

# OpenSSL's X509_V_ERR_… that an operator can do something about.
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64


class Mistrust(ValueError):
    """TLS with a partner does not come about; the message is to be said after its name."""


def trust(ca: Path) -> ssl.SSLContext:
    """What accepts the certificates that the CAs of this file issued, each for its own name.

    Raises:
        ValueError: the file cannot be read or holds no certificate; names it.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise ValueError(f"{ca} holds no certificate in PEM form") from None
    except OSError as error:
        raise ValueError(f"{ca}: {error.strerror}") from None


def shake_hands(plain: socket.socket, host: str, ca: Path) -> None:
    """Try TLS with `host` on a connection that is good for nothing else afterwards.

    Raises:
        Mistrust
        OSError: the connection broke.
    """
    try:
        trust(ca).wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        raise Mistrust(f"shows a certificate {_fault(error, host, ca)}") from error
    except ssl.SSLError as error:
        why = error.reason or error
        raise Mistrust(f"fails at the TLS handshake ({why}): is that its port for TLS?") from error
    except ValueError as error:
        raise Mistrust(f"cannot be judged: {error}") from error


def _fault(error: ssl.SSLCertVerificationError, host: str, ca: Path) -> str:
    code = error.verify_code
    if code in (_OTHER_NAME, _OTHER_ADDRESS):
        return f"of another name than {host}"
    if code == _EXPIRED:
        return "that has expired"
    if code == _NOT_YET_VALID:
        return "that is not valid yet: is a clock wrong?"
    return f"that {ca} does not vouch for: {error.verify_message}"
