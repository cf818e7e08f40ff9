"""Against the example of RFC 7677, section 3."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from tomobeam_deploy.scram import role_salt, role_verifier, verifier

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
CLIENT_NONCE = "rOprNGfwEbeRWgbNEkqO"
NONCE = f"{CLIENT_NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
AUTH_MESSAGE = ",".join(
    (
        f"n=user,r={CLIENT_NONCE}",
        f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        f"c=biws,r={NONCE}",
    )
).encode()
CLIENT_PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SERVER_SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def keys(text: str) -> tuple[bytes, bytes]:
    stored, server = text.rpartition("$")[2].split(":")
    return base64.b64decode(stored), base64.b64decode(server)


def test_a_verifier_accepts_the_client_and_answers_as_the_server_of_the_rfc() -> None:
    text = verifier("pencil", SALT, 4096)
    assert text.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    stored_key, server_key = keys(text)
    signature = hmac.digest(stored_key, AUTH_MESSAGE, "sha256")
    client_key = bytes(a ^ b for a, b in zip(CLIENT_PROOF, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key
    assert hmac.digest(server_key, AUTH_MESSAGE, "sha256") == SERVER_SIGNATURE


def test_a_role_keeps_its_verifier_until_its_password_changes() -> None:
    assert role_verifier("one", "tiled") == role_verifier("one", "tiled")
    salts = {role_salt("one", "tiled"), role_salt("one", "prefect"), role_salt("two", "tiled")}
    assert len(salts) == 3
    assert {len(salt) for salt in salts} == {16}


@pytest.mark.parametrize("password", ["", "päss", "tab\tbed", "line\n"])
def test_a_password_that_clients_might_prepare_differently_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as error:
        role_verifier(password, "tiled")
    assert not password or password not in str(error.value)
