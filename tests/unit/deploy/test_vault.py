"""What is put into a site's secrets, what is read of them, and that nothing shows a value."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyrage.x25519 import Identity  # pyright: ignore[reportMissingImports]

from tests.unit.deploy.vaults import SITE, VALUE, everything_shown, put
from tomobeam_deploy import age_keys
from tomobeam_deploy.pki import Pair
from tomobeam_deploy.secrets import Hidden, SecretsError
from tomobeam_deploy.vault import Vault, update


def test_what_was_put_is_found_again_and_only_encrypted_on_disk(folder: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    assert put(folder, {"b": "two", "a": "ünïcode\nlines"}) == ["a", "b"]
    read = Vault.load(SITE, folder)
    assert (read.get("a"), read.get("b"), read.get("db-prefect")) == (
        "ünïcode\nlines",
        "two",
        VALUE,
    )
    assert read.names() == ["a", "b", "db-prefect"]
    assert "a" in read
    assert "c" not in read
    assert before <= read.made("a") <= datetime.now(UTC)
    content = read.path.read_bytes()
    assert content.startswith(b"age-encryption.org/v1")
    assert VALUE.encode() not in content


def test_putting_one_leaves_the_others_as_old_as_they_were(folder: Path) -> None:
    old = Vault.load(SITE, folder).made("db-prefect")
    put(folder, {"a": "one"})
    assert Vault.load(SITE, folder).made("db-prefect") == old


def test_nothing_to_put_leaves_the_file_alone(folder: Path) -> None:
    before = (folder / "i13.age").read_bytes()
    assert put(folder, {}) == []
    assert (folder / "i13.age").read_bytes() == before


@pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed")
def test_age_itself_reads_the_file(folder: Path, key: Path) -> None:
    done = subprocess.run(
        ["age", "-d", "-i", str(key), str(folder / "i13.age")], capture_output=True, check=True
    )
    assert VALUE.encode() in done.stdout


def test_everything_that_is_missing_is_said_in_one_sentence(folder: Path) -> None:
    read = Vault.load(SITE, folder)
    read.check(["db-prefect"])
    with pytest.raises(SecretsError) as error:
        read.check(["db-tiled", "db-prefect", "broker-ingester"])
    assert str(error.value) == (
        f"{folder}/i13.age: has no secret broker-ingester, db-tiled; make what is missing by: "
        ".venv/bin/tomobeam-site secrets ensure inventories/i13"
    )
    with pytest.raises(SecretsError, match="has no secret nothing; make"):
        read.get("nothing")


def test_a_site_without_secrets_is_told_both_commands(tmp_path: Path, key: Path) -> None:
    with pytest.raises(SecretsError, match=r"init inventories/i13, then: .* ensure inventories"):
        Vault.load(SITE, tmp_path)


def _missing(key: Path, encrypted: Path) -> None:
    key.unlink()


def _readable(mode: int) -> Callable[[Path, Path], None]:
    return lambda key, encrypted: key.chmod(mode)


def _of_somebody_else(key: Path, encrypted: Path) -> None:
    key.write_text(f"{Identity.generate()}\n")


def _without_a_key(key: Path, encrypted: Path) -> None:
    key.write_text("# nothing but a comment\n")


def _mangled(key: Path, encrypted: Path) -> None:
    key.write_text(key.read_text().replace("AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1Q"))


def _in_a_folder(key: Path, encrypted: Path) -> None:
    key.unlink()
    key.mkdir(mode=0o700)


def _binary(key: Path, encrypted: Path) -> None:
    key.write_bytes(b"\xff\xfe")


def _cut_short(key: Path, encrypted: Path) -> None:
    encrypted.write_bytes(encrypted.read_bytes()[:-1])


def _merged_by_hand(key: Path, encrypted: Path) -> None:
    encrypted.write_bytes(b"<<<<<<< HEAD\n" + encrypted.read_bytes())


def _empty(key: Path, encrypted: Path) -> None:
    encrypted.write_bytes(b"")


def _of_another_program(key: Path, encrypted: Path) -> None:
    plain = f'{{"db-prefect": "{VALUE}", "a": 3}}'.encode()
    encrypted.write_bytes(age_keys.encrypt(plain, age_keys.public_keys(SITE)))


FAULTS: list[tuple[Callable[[Path, Path], None], str, str]] = [
    (_missing, "agekey", "there is no age key; put yours there"),
    (_readable(0o640), "agekey", r"others than its owner may use .* \(mode 640\).*chmod 600 /"),
    (_readable(0o604), "agekey", r"\(mode 604\)"),
    (_of_somebody_else, "i13.age:", "is not encrypted to the age key of .* recipients add .* age1"),
    (_without_a_key, "agekey", "holds no age key"),
    (_in_a_folder, "agekey", "cannot be read: Is a directory"),
    (_mangled, "agekey", "holds no age key"),
    (_binary, "agekey", "holds no age key"),
    (_cut_short, "i13.age", "is damaged .*: git checkout -- /"),
    (_merged_by_hand, "i13.age", "is damaged"),
    (_empty, "i13.age", "is damaged"),
    (_of_another_program, "i13.age", "holds no secrets of this program; .*git checkout"),
]


@pytest.mark.parametrize(("break_it", "file", "sentence"), FAULTS)
def test_what_cannot_be_read_is_said_with_file_and_remedy_and_without_a_value(
    folder: Path, key: Path, break_it: Callable[[Path, Path], None], file: str, sentence: str
) -> None:
    private = key.read_text().splitlines()[-1]
    break_it(key, folder / "i13.age")
    with pytest.raises(SecretsError, match=sentence) as error:
        Vault.load(SITE, folder)
    assert file in str(error.value)
    assert "\n" not in str(error.value)
    shown = everything_shown(error.value)
    assert VALUE not in shown
    assert private[20:] not in shown
    assert error.value.__context__ is None or error.value.__suppress_context__


SHOWN: list[Callable[[Vault], object]] = [
    repr,
    str,
    lambda read: f"{read} {read!r} {read:}",
    lambda read: read.values(),
    lambda read: str(read.values()),
    lambda read: dict(vars(read)),
    lambda read: read.names(),
    lambda read: Hidden({"a": VALUE}) | {"b": VALUE},
    lambda read: [Hidden({"a": VALUE})],
    lambda read: Pair(VALUE, "certificate"),
]


@pytest.mark.parametrize("show", SHOWN)
def test_no_repr_shows_a_value(folder: Path, show: Callable[[Vault], object]) -> None:
    assert VALUE not in repr(show(Vault.load(SITE, folder)))


def test_a_failing_change_shows_no_value_and_changes_nothing(folder: Path) -> None:
    def change(values: Hidden) -> Hidden:
        assert values["db-prefect"] == VALUE
        raise SecretsError("gpg is missing")

    with pytest.raises(SecretsError, match="gpg is missing") as error:
        update(SITE, change, folder)
    assert VALUE not in everything_shown(error.value)
    assert Vault.load(SITE, folder).names() == ["db-prefect"]


def test_a_missing_secret_shows_no_other(folder: Path) -> None:
    with pytest.raises(SecretsError) as error:
        Vault.load(SITE, folder).get("db-prefec")
    assert VALUE not in everything_shown(error.value)
