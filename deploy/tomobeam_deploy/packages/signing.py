"""The site's signature under its repository, by gpg in a folder in memory that does not last."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tomobeam_deploy.in_memory import NoMemoryError, folder_in_memory
from tomobeam_deploy.packages.closure import PackagesError

OWNER = "tomobeam site repository"


@dataclass(frozen=True)
class Signed:
    """What apt on a host checks."""

    in_release: bytes
    public_key: bytes


def generate_signing_key() -> str:
    """A new private key (Ed25519), armored; a secret of the site.

    Raises:
        PackagesError: gpg is missing, or a place in memory.
    """
    with _gpg_home() as home:
        _gpg(home, "--passphrase", "", "--quick-gen-key", OWNER, "ed25519", "sign", "never")
        return _gpg(home, "--armor", "--export-secret-keys").decode()


def sign(release: bytes, private_key: str) -> Signed:
    """Sign a repository's Release file.

    Raises:
        PackagesError: gpg is missing, or a place in memory; or gpg does not take the key.
    """
    with _gpg_home() as home:
        _gpg(home, "--import", stdin=private_key.encode())
        return Signed(_gpg(home, "--clearsign", stdin=release), _gpg(home, "--export"))


@contextmanager
def _gpg_home() -> Iterator[str]:
    # Its path is short too, as a socket's has to be.
    try:
        with folder_in_memory("tomobeam-gpg-") as home:
            try:
                yield str(home)
            finally:
                subprocess.run(
                    ["gpgconf", "--kill", "all"],
                    env={**os.environ, "GNUPGHOME": str(home)},
                    capture_output=True,
                    check=False,
                )
    except NoMemoryError as error:
        raise PackagesError(f"the repository's signing key: {error}") from error


def _gpg(home: str, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback"]
    try:
        done = subprocess.run([*command, *arguments], input=stdin, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise PackagesError("gpg is missing; install it by: apt-get install gnupg") from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise PackagesError(f"the repository's signing key: {last}")
    return done.stdout
