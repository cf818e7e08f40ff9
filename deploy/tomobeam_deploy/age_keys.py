"""Who can read a site's secrets: operators, each by their own age key.

A private key stays outside the repository, in a file that only its owner can read. The public
keys of all operators stand in clear beside the secrets, in a file as `age -R` reads it.
"""

# pyrage ships no types.
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false

from __future__ import annotations

import os
import stat
from pathlib import Path

import pyrage
from pyrage import IdentityError, RecipientError
from pyrage.x25519 import Identity, Recipient

from tomobeam_deploy.secrets import SecretsError
from tomobeam_deploy.templates import ROOT

KEY_VARIABLE = "TOMOBEAM_AGE_KEY_FILE"
SECRETS_VARIABLE = "TOMOBEAM_SECRETS"
# A rehearsal of a site in a lab keeps its secrets elsewhere than the site does.
SECRETS = Path(os.environ.get(SECRETS_VARIABLE) or ROOT / "inventories" / "secrets")
# What git ignores: a lab's key is no more precious than the lab.
UNTRACKED = ROOT / "build"

_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def command(site_name: str, verb: str, *arguments: str) -> str:
    """What an operator types to remedy something."""
    words = (".venv/bin/tomobeam-site secrets", verb, f"inventories/{site_name}", *arguments)
    return " ".join(words)


def key_file(site_name: str) -> Path:
    """Where the operator's private key is."""
    named = os.environ.get(KEY_VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path.home() / ".config" / "tomobeam" / f"{site_name}.agekey"


def recipients_file(site_name: str, folder: Path = SECRETS) -> Path:
    """Where the operators' public keys are."""
    return folder / f"{site_name}.recipients"


def encrypt(plain: bytes, recipients: list[str]) -> bytes:
    """What each of these public keys' owners can decrypt."""
    return pyrage.encrypt(plain, [Recipient.from_str(key) for key in recipients])


def decrypt(path: Path, site_name: str) -> bytes:
    """The content of an encrypted file.

    Raises:
        SecretsError: the operator's key is missing or the wrong one, or the file is damaged.
    """
    identities = load_identities(site_name)
    try:
        return pyrage.decrypt(path.read_bytes(), identities)
    except OSError as error:
        raise SecretsError(f"{path}: cannot be read: {error.strerror}") from error
    except pyrage.DecryptError as error:
        said = str(error)
    if said != "No matching keys found":
        raise SecretsError(f"{path}: is damaged ({said}); {bring_back(path)}")
    add = command(site_name, "recipients add", str(identities[0].to_public()), "--name WHO")
    raise SecretsError(
        f"{path}: is not encrypted to the age key of {key_file(site_name)}; "
        f"let an operator who can read it run: {add}"
    )


def bring_back(path: Path) -> str:
    """The remedy for a damaged file."""
    return f"bring it back by: git checkout -- {path}"


def load_identities(site_name: str) -> list[Identity]:
    """The operator's private keys; usually one.

    Raises:
        SecretsError: there is no such file, others may read it, or it holds no key.
    """
    path = key_file(site_name)
    try:
        mode = path.stat().st_mode
        identities = _read_identities(path)
    except FileNotFoundError:
        raise SecretsError(
            f"{path}: there is no age key; put yours there (or name its file in {KEY_VARIABLE}), "
            f"or make one by: {command(site_name, 'init')}"
        ) from None
    except OSError as error:
        raise SecretsError(f"{path}: cannot be read: {error.strerror}") from error
    if mode & _READABLE_BY_OTHERS:
        raise SecretsError(
            f"{path}: others than its owner may use this age key (mode {stat.S_IMODE(mode):o}); "
            f"forbid it by: chmod 600 {path}"
        )
    if not identities:
        raise SecretsError(
            f"{path}: holds no age key, which is a line AGE-SECRET-KEY-…; bring it back from "
            f"its backup, or move the file away and run: {command(site_name, 'init')}"
        )
    return identities


def _read_identities(path: Path) -> list[Identity]:
    """None if a line is no key. The text stays in this frame, which raises nothing about it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return [Identity.from_str(key) for key in keys]
    except (IdentityError, UnicodeDecodeError):
        return []


def create_identity(site_name: str) -> bool:
    """Make the operator's private key unless there is one; says whether it was made.

    Raises:
        SecretsError: its place is in the repository, or cannot be written.
    """
    path = key_file(site_name)
    if path.resolve().is_relative_to(ROOT) and not path.resolve().is_relative_to(UNTRACKED):
        raise SecretsError(
            f"{path}: an age key belongs outside the repository; "
            f"name another place in {KEY_VARIABLE}"
        )
    identity = Identity.generate()
    text = f"# public key: {identity.to_public()}\n{identity}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise SecretsError(f"{path}: cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return True


def public_keys(site_name: str) -> list[str]:
    """Of the operator's private keys, what may be shown to everybody.

    Raises:
        SecretsError: as `load_identities` does.
    """
    return [str(identity.to_public()) for identity in load_identities(site_name)]


def read_recipients(path: Path) -> list[str]:
    """The public keys of a file, in its order; none if there is no file.

    Raises:
        SecretsError: a line is neither a key nor a comment.
    """
    return parse_recipients(path.read_text(encoding="utf-8"), path) if path.exists() else []


def parse_recipients(text: str, path: Path) -> list[str]:
    """The public keys of a text that stands, or will stand, in `path`.

    Raises:
        SecretsError: a line is neither a key nor a comment.
    """
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        check_recipient(key, f"{path}:{number}")
        keys.append(key)
    return keys


def check_recipient(key: str, where: str) -> None:
    """See that this is a public key.

    Raises:
        SecretsError: it is not; the sentence begins with `where`.
    """
    if key.upper().startswith("AGE-SECRET-KEY-"):
        raise SecretsError(
            f"{where}: is a private key; give the public one, which begins with age1"
        )
    try:
        Recipient.from_str(key)
    except RecipientError:
        raise SecretsError(f"{where}: {key!r} is not an age public key (age1…)") from None


def with_recipient(text: str, key: str, name: str) -> str:
    """The text of a recipients file with one key more, under a comment that says whose it is."""
    before = f"{text.rstrip()}\n" if text.strip() else ""
    return f"{before}# {' '.join(name.split())}\n{key}\n"


def without_recipient(text: str, key: str) -> str:
    """The text of a recipients file without a key and without the comment right above it."""
    lines = text.splitlines()
    at = [line.strip() for line in lines].index(key)
    above = at - 1 if at and lines[at - 1].startswith("#") else at
    return "".join(f"{line}\n" for line in lines[:above] + lines[at + 1 :])
