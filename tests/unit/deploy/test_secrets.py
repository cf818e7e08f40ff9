from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tomobeam_deploy.packages.signing import sign
from tomobeam_deploy.secrets import SecretsError, ensure_secrets, generate, read_secret

PASSWORD = r"[A-Za-z0-9_-]{32}"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("tiled-key-ingester", r"[0-9a-f]{72}"),
        ("prefect-auth", f"tomobeam:{PASSWORD}"),
        ("broker-ingester", PASSWORD),
        ("broker-keystore", PASSWORD),
        ("db-prefect", PASSWORD),
        ("webapp-secret-key", PASSWORD),
        ("tiled-secret-key", PASSWORD),
    ],
)
def test_a_name_decides_the_form(name: str, form: str) -> None:
    one, other = generate([name]), generate([name])
    assert re.fullmatch(form, one[name])
    assert one[name] != other[name]


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_the_package_signing_key_signs() -> None:
    key = generate(["package-signing-key"])["package-signing-key"]
    assert key.startswith("-----BEGIN PGP PRIVATE KEY BLOCK-----")
    assert b"-----BEGIN PGP SIGNED MESSAGE-----" in sign(b"Origin: here\n", key).in_release


def test_what_gpg_says_is_told_with_the_name_of_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, script in {"gpg": "echo gpg: no agent >&2; exit 2", "gpgconf": "exit 0"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SecretsError, match=r"^package-signing-key: .*gpg: no agent"):
        generate(["package-signing-key"])


def test_no_password_passes_for_a_certificate() -> None:
    with pytest.raises(SecretsError, match="tls-"):
        generate(["tls-cert-web"])


def test_on_one_machine_each_is_a_file_that_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    ensure_secrets(folder, {"prefect-auth"})
    before = read_secret(folder, "prefect-auth")
    (folder / "prefect-auth").chmod(0o644)
    ensure_secrets(folder, {"prefect-auth", "broker-ingester"})
    assert read_secret(folder, "prefect-auth") == before
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"prefect-auth": 0o600, "broker-ingester": 0o600}
