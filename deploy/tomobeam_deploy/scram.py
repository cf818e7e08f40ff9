"""PostgreSQL's SCRAM-SHA-256 verifiers, made on the controller: no password reaches the server.

The salt follows from password and role, so that a deploy that changes nothing changes no role,
and a rotated password gets a new one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

ITERATIONS = 4096

_SALT_BYTES = 16


def role_verifier(password: str, role: str) -> str:
    """What PostgreSQL keeps in `pg_authid.rolpassword` for a role.

    Raises:
        ValueError: the password is not printable ASCII.
    """
    return verifier(password, role_salt(password, role))


def role_salt(password: str, role: str) -> bytes:
    """A salt for a role's password.

    It is public. Deriving it takes as many rounds as the verifier itself does, so that guessing
    a password by its salt is no shortcut.
    """
    material = f"tomobeam role {role}".encode()
    return hashlib.pbkdf2_hmac("sha256", _checked(password), material, ITERATIONS, _SALT_BYTES)


def verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """`SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>` (RFC 5803, RFC 7677).

    Raises:
        ValueError: the password is not printable ASCII, which SASLprep would leave as it is.
    """
    salted = hashlib.pbkdf2_hmac("sha256", _checked(password), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def _checked(password: str) -> bytes:
    if not password or not password.isascii() or not password.isprintable():
        raise ValueError("a database password has to be printable ASCII and not empty")
    return password.encode("ascii")


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
