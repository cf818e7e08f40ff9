"""A site's secrets: one age file in the repository, which is decrypted in memory only.

    vault = Vault.load("beamline")
    vault.get("db-prefect")

Writing is by `update`, which takes a lock and replaces the file as a whole: of two operators'
commands at once the second sees what the first made, and a killed one leaves the old file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, PlainSerializer, SecretStr, TypeAdapter, ValidationError

from tomobeam_deploy import age_keys
from tomobeam_deploy.age_keys import SECRETS, command
from tomobeam_deploy.secrets import Hidden, SecretsError
from tomobeam_deploy.site import Strict


class Secret(Strict):
    """A value, and when it was made."""

    value: Annotated[
        SecretStr, PlainSerializer(lambda value: value.get_secret_value(), when_used="json")
    ]
    made: AwareDatetime


_CONTENTS = TypeAdapter(dict[str, Secret])


@dataclass(frozen=True)
class Vault:
    """The secrets of a site, as they were when the file was read."""

    path: Path
    _secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, site_name: str, folder: Path = SECRETS) -> Vault:
        """Decrypt the secrets of a site.

        Raises:
            SecretsError: the file or the operator's key is missing, or one does not open the other.
        """
        path = vault_file(site_name, folder)
        if not path.exists():
            raise SecretsError(
                f"{path}: the site has no secrets yet; make them by: {command(site_name, 'init')}, "
                f"then: {command(site_name, 'ensure')}"
            )
        try:
            return cls(path, _CONTENTS.validate_json(age_keys.decrypt(path, site_name)))
        except ValidationError:
            # Raised below, out of reach of an error that carries what was decrypted.
            pass
        raise SecretsError(f"{path}: holds no secrets of this program; {age_keys.bring_back(path)}")

    def get(self, name: str) -> str:
        """One secret's value.

        Raises:
            SecretsError: there is no such secret.
        """
        self.check([name])
        return self._secrets[name].value.get_secret_value()

    def made(self, name: str) -> datetime:
        """When a secret was made."""
        return self._secrets[name].made

    def check(self, names: Iterable[str]) -> None:
        """See that nothing is missing.

        Raises:
            SecretsError: something is; names all of it.
        """
        missing = sorted(set(names) - set(self._secrets))
        if missing:
            raise SecretsError(
                f"{self.path}: has no secret {', '.join(missing)}; "
                f"make what is missing by: {command(self.path.stem, 'ensure')}"
            )

    def names(self) -> list[str]:
        """The names of all secrets, sorted."""
        return sorted(self._secrets)

    def values(self) -> Hidden:
        """All values by name."""
        return Hidden({name: self.get(name) for name in self._secrets})

    def __contains__(self, name: str) -> bool:
        return name in self._secrets


def vault_file(site_name: str, folder: Path = SECRETS) -> Path:
    """Where a site's encrypted secrets are."""
    return folder / f"{site_name}.age"


def update(
    site_name: str, change: Callable[[Hidden], Mapping[str, str]], folder: Path = SECRETS
) -> list[str]:
    """Put what `change` makes of the present values; the names of what was put.

    Without a file yet, one is made. Nobody else changes it meanwhile.

    Raises:
        SecretsError: there are no recipients, or the operator could not read what is saved.
    """
    with _locked(site_name, folder):
        vault = _load_or_new(site_name, folder)
        new = change(vault.values())
        if new:
            made = datetime.now(UTC).replace(microsecond=0)
            put = {name: Secret(value=SecretStr(value), made=made) for name, value in new.items()}
            recipients = age_keys.read_recipients(age_keys.recipients_file(site_name, folder))
            _save(Vault(vault.path, {**vault._secrets, **put}), recipients)
        return sorted(new)


def join(site_name: str, name: str, folder: Path = SECRETS) -> bool:
    """Make the operator's own key a recipient; whether it is one now.

    Where secrets exist that this key cannot read, another operator has to add it.
    """
    own = age_keys.public_keys(site_name)
    with _locked(site_name, folder):
        path = age_keys.recipients_file(site_name, folder)
        if set(own) & set(age_keys.read_recipients(path)):
            return True
        if vault_file(site_name, folder).exists():
            return False
        _replace(path, age_keys.with_recipient(_text(path), own[0], name).encode())
        return True


def add_recipient(site_name: str, key: str, name: str, folder: Path = SECRETS) -> None:
    """Let a further operator read the secrets.

    Raises:
        SecretsError: that is no public key, or the secrets cannot be read.
    """

    def change(text: str, keys: list[str]) -> str:
        return text if key in keys else age_keys.with_recipient(text, key, name)

    age_keys.check_recipient(key, "the new recipient")
    _change_recipients(site_name, change, folder)


def remove_recipient(site_name: str, key: str, folder: Path = SECRETS) -> None:
    """Keep an operator from reading what is saved from now on.

    Raises:
        SecretsError: nobody has that key, or it is the only one by which the caller reads.
    """

    def change(text: str, keys: list[str]) -> str:
        if key not in keys:
            there = ", ".join(keys) or "none"
            raise SecretsError(f"{key}: is no recipient of {site_name}; there are: {there}")
        return age_keys.without_recipient(text, key)

    _change_recipients(site_name, change, folder)


def _change_recipients(
    site_name: str, change: Callable[[str, list[str]], str], folder: Path
) -> None:
    """Encrypt anew first: a command killed in between does the rest when it is run again."""
    with _locked(site_name, folder):
        path = age_keys.recipients_file(site_name, folder)
        text = change(_text(path), age_keys.read_recipients(path))
        if vault_file(site_name, folder).exists():
            _save(Vault.load(site_name, folder), age_keys.parse_recipients(text, path))
        _replace(path, text.encode())


def _load_or_new(site_name: str, folder: Path) -> Vault:
    path = vault_file(site_name, folder)
    return Vault.load(site_name, folder) if path.exists() else Vault(path)


def _save(vault: Vault, recipients: list[str]) -> None:
    site_name = vault.path.stem
    own = age_keys.public_keys(site_name)
    if not set(recipients) & set(own):
        add = command(site_name, "init")
        if vault.path.exists():
            add = command(site_name, "recipients add", own[0], "--name WHO")
        raise SecretsError(
            f"{age_keys.recipients_file(site_name, vault.path.parent)}: would be without your own "
            f"age key ({age_keys.key_file(site_name)}), and you could not read what is saved; let "
            f"another operator do this, or add your key by: {add}"
        )
    contents = dict(sorted(vault._secrets.items()))
    _replace(vault.path, age_keys.encrypt(_CONTENTS.dump_json(contents), recipients))


@contextmanager
def _locked(site_name: str, folder: Path) -> Iterator[None]:
    """Wait until nobody else changes the site's secrets; the lock ends with its process."""
    path = folder / f".{site_name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise SecretsError(f"{path}: cannot be written: {error.strerror}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise SecretsError(
            f"{path}: cannot be written and stays as it was: {error.strerror}"
        ) from error


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
