"""What secrets look like, and how new ones are made.

On one machine each is a file of mode 600; a beamline's are kept in a `Vault`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tomobeam_deploy.service import Service

PREFECT_USER = "tomobeam"
TLS_PREFIX = "tls-"
# libpq's form of a database role's password, made of the secret `db-<role>`.
PGPASS_PREFIX = "pgpass-"


class SecretsError(ValueError):
    """A secret cannot be had; the message names file, secret and remedy, never a value."""


class Hidden(Mapping[str, str]):
    """Values by the names of their secrets, which no repr, and so no traceback, shows."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __or__(self, other: Mapping[str, str]) -> Hidden:
        return Hidden({**self, **other})

    def __repr__(self) -> str:
        return f"Hidden({', '.join(sorted(self))})"


def _password() -> str:
    return secrets.token_urlsafe(24)


def _tiled_key() -> str:
    # Tiled reads a key as hexadecimal: 4 bytes to find it by and 32 to prove it.
    return secrets.token_hex(36)


def _prefect_login() -> str:
    return f"{PREFECT_USER}:{_password()}"


def _signing_key() -> str:
    from tomobeam_deploy.packages import PackagesError, generate_signing_key

    try:
        return generate_signing_key()
    except PackagesError as error:
        raise SecretsError(f"package-signing-key: {error}") from error


def _of_certificates() -> str:
    raise SecretsError(f"{TLS_PREFIX}…: keys and certificates are made by tomobeam_deploy.tls")


# What a name begins with decides the form; the first that fits counts.
_FORMS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("tiled-key-", _tiled_key),
    ("prefect-auth", _prefect_login),
    ("package-signing-key", _signing_key),
    (TLS_PREFIX, _of_certificates),
    ("", _password),
)


def generate(names: Iterable[str]) -> Hidden:
    """New values, each in the form that its name asks for.

    Raises:
        SecretsError: one cannot be made.
    """
    return Hidden({name: _generator(name)() for name in sorted(names)})


def _generator(name: str) -> Callable[[], str]:
    return next(make for beginning, make in _FORMS if name.startswith(beginning))


def secret_names(service: Service) -> set[str]:
    """The names of all secrets that a service is given."""
    return {*service.secrets.values(), *service.provision_secrets.values()}


def pgpass_name(role: str) -> str:
    """The name of the secret that libpq and asyncpg read a role's password from."""
    return f"{PGPASS_PREFIX}{role}"


def pgpass(server: str, port: int, role: str, password: str) -> str:
    """What it contains."""
    return f"{server}:{port}:*:{role}:{password}"


def ensure_secrets(folder: Path, names: set[str]) -> None:
    """Generate the secrets that are missing; those that exist are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in sorted(names):
        path = folder / name
        if path.exists():
            path.chmod(0o600)
            continue
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_generator(name)() + "\n")


def read_secret(folder: Path, name: str) -> str:
    """One secret's value."""
    return (folder / name).read_text(encoding="utf-8").rstrip("\n")
