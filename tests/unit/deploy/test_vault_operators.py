"""Operators' age keys, and who of them may read a site's secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyrage.x25519 import Identity  # pyright: ignore[reportMissingImports]

from tests.unit.deploy.vaults import SITE, VALUE, put
from tomobeam_deploy import age_keys
from tomobeam_deploy.secrets import SecretsError
from tomobeam_deploy.vault import Vault, add_recipient, join, remove_recipient


def another_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Become one; the public key."""
    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(tmp_path / "other" / "i13.agekey"))
    age_keys.create_identity(SITE)
    return age_keys.public_keys(SITE)[0]


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path, key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    text = key.read_text()
    assert not age_keys.create_identity(SITE)
    assert key.read_text() == text


def test_the_key_is_in_the_home_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(age_keys.KEY_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert age_keys.key_file(SITE) == tmp_path / ".config/tomobeam/i13.agekey"


@pytest.mark.parametrize("place", ["i13.agekey", "inventories/secrets/i13.agekey"])
def test_a_key_inside_the_repository_is_refused(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = age_keys.ROOT / place
    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(path))
    with pytest.raises(SecretsError, match="belongs outside the repository"):
        age_keys.create_identity(SITE)
    assert not path.exists()


def test_a_further_operator_reads_after_being_added_and_not_after_being_removed(
    tmp_path: Path, folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = age_keys.public_keys(SITE)[0]
    theirs = another_operator(tmp_path, monkeypatch)
    assert not join(SITE, "grace", folder)
    with pytest.raises(SecretsError, match=f"recipients add inventories/i13 {theirs}"):
        Vault.load(SITE, folder)

    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(key))
    add_recipient(SITE, theirs, "grace\nhopper", folder)
    add_recipient(SITE, theirs, "grace again", folder)
    recipients = folder / "i13.recipients"
    assert recipients.read_text() == f"# ada\n{own}\n# grace hopper\n{theirs}\n"
    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(tmp_path / "other" / "i13.agekey"))
    assert Vault.load(SITE, folder).get("db-prefect") == VALUE

    remove_recipient(SITE, own, folder)
    assert recipients.read_text() == f"# grace hopper\n{theirs}\n"
    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(key))
    with pytest.raises(SecretsError, match="is not encrypted to the age key"):
        Vault.load(SITE, folder)


def test_the_recipients_file_is_the_operators_to_edit(folder: Path, key: Path) -> None:
    recipients = folder / "i13.recipients"
    own = age_keys.public_keys(SITE)[0]
    other = str(Identity.generate().to_public())
    recipients.write_text(f"# operators of i13\n\n  {own}  \n\n{other}")
    add_recipient(SITE, third := str(Identity.generate().to_public()), "eve", folder)
    assert age_keys.read_recipients(recipients) == [own, other, third]
    remove_recipient(SITE, other, folder)
    assert age_keys.read_recipients(recipients) == [own, third]
    assert recipients.read_text().startswith("# operators of i13\n")


def test_wrong_recipients_are_refused_and_change_nothing(folder: Path, key: Path) -> None:
    recipients, before = folder / "i13.recipients", (folder / "i13.recipients").read_text()
    with pytest.raises(SecretsError, match="'age1nonsense' is not an age public key"):
        add_recipient(SITE, "age1nonsense", "eve", folder)
    private = key.read_text().splitlines()[-1]
    with pytest.raises(SecretsError, match="is a private key") as error:
        add_recipient(SITE, private, "eve", folder)
    assert private not in str(error.value)
    with pytest.raises(SecretsError, match="is no recipient of i13; there are: age1"):
        remove_recipient(SITE, "age1nonsense", folder)
    with pytest.raises(SecretsError, match=r"without your own age key .* recipients add"):
        remove_recipient(SITE, age_keys.public_keys(SITE)[0], folder)
    assert recipients.read_text() == before
    recipients.write_text("# ada\nage1typo\n")
    with pytest.raises(SecretsError, match=r"i13\.recipients:2: 'age1typo' is not"):
        put(folder, {"a": "one"})
    assert Vault.load(SITE, folder).names() == ["db-prefect"]


def test_without_recipients_nothing_is_saved(tmp_path: Path, key: Path) -> None:
    with pytest.raises(SecretsError, match="secrets init inventories/i13"):
        put(tmp_path, {"a": "one"})
    assert not (tmp_path / "i13.age").exists()
