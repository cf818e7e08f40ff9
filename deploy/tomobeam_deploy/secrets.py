"""The secrets of one machine: generated once, each in a file of mode 600."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from tomobeam_deploy.service import Service

PREFECT_USER = "tomobeam"


def _password() -> str:
    return secrets.token_urlsafe(24)


def _tiled_key() -> str:
    # Tiled reads a key as hexadecimal: 4 bytes to find it by and 32 to prove it.
    return secrets.token_hex(36)


def _generator(name: str) -> Callable[[], str]:
    if name.startswith("tiled-key-"):
        return _tiled_key
    if name == "prefect-auth":
        return lambda: f"{PREFECT_USER}:{_password()}"
    return _password


def secret_names(service: Service) -> set[str]:
    """The names of all secrets that a service is given."""
    return {*service.secrets.values(), *service.provision_secrets.values()}


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
