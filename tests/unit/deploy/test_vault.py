from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyrage.x25519 import Identity  # pyright: ignore[reportMissingImports]

from tomobeam_deploy import age_keys, vault
from tomobeam_deploy.pki import Pair
from tomobeam_deploy.secrets import Hidden, SecretsError
from tomobeam_deploy.vault import Vault, add_recipient, join, remove_recipient, update

SITE = "i13"
VALUE = "hush-93fd-value"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home" / "i13.agekey"
    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(path))
    assert age_keys.create_identity(SITE)
    return path


@pytest.fixture
def folder(tmp_path: Path, key: Path) -> Path:
    """With one secret in it."""
    folder = tmp_path / "secrets"
    assert join(SITE, "ada", folder)
    assert put(folder, {"db-prefect": VALUE}) == ["db-prefect"]
    return folder


def put(folder: Path, values: Mapping[str, str]) -> list[str]:
    return update(SITE, lambda _: values, folder)


def another_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Become one; the public key."""
    monkeypatch.setenv(age_keys.KEY_VARIABLE, str(tmp_path / "other" / "i13.agekey"))
    age_keys.create_identity(SITE)
    return age_keys.public_keys(SITE)[0]


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


def everything_shown(error: BaseException) -> str:
    """A traceback as talkative as one can be: with the locals of every frame but the test's own."""
    below = error.__traceback__.tb_next if error.__traceback__ else None
    whole = traceback.TracebackException(type(error), error, below, capture_locals=True)
    return "".join(whole.format()) + repr(error)


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


def test_of_two_at_once_the_second_sees_what_the_first_made(folder: Path) -> None:
    second_changes = threading.Event()
    seen: list[str] = []

    def second_change(values: Hidden) -> Hidden:
        second_changes.set()
        seen.extend(values)
        return Hidden({"b": "two"})

    second = threading.Thread(target=update, args=(SITE, second_change, folder))

    def first_change(values: Hidden) -> Hidden:
        second.start()
        assert not second_changes.wait(0.5)
        return Hidden({"a": "one"})

    update(SITE, first_change, folder)
    second.join(10)
    assert seen == ["a", "db-prefect"]
    assert Vault.load(SITE, folder).names() == ["a", "b", "db-prefect"]


@pytest.mark.parametrize("moment", ["while values are made", "while the file is written"])
def test_a_killed_update_leaves_the_old_file_and_no_lock(folder: Path, moment: str) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def killed() -> None:
        if moment == "while values are made":
            update(SITE, lambda values: die() or values, folder)
        os.fsync = die
        put(folder, {"a": "one"})

    child = multiprocessing.get_context("fork").Process(target=killed)
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    assert Vault.load(SITE, folder).names() == ["db-prefect"]
    put(folder, {"b": "two"})
    assert Vault.load(SITE, folder).names() == ["b", "db-prefect"]
    assert {path.name for path in folder.iterdir()} == {
        ".i13.lock",
        "i13.age",
        "i13.recipients",
    }


@pytest.mark.parametrize("verb", ["add", "remove"])
def test_recipients_killed_in_between_are_done_by_running_it_again(
    folder: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = str(Identity.generate().to_public())
    if verb == "remove":
        add_recipient(SITE, theirs, "eve", folder)
    replace = vault._replace

    def killed_at_the_second(path: Path, content: bytes) -> None:
        if path.suffix == ".recipients":
            raise KeyboardInterrupt
        replace(path, content)

    def run() -> None:
        if verb == "add":
            add_recipient(SITE, theirs, "eve", folder)
        else:
            remove_recipient(SITE, theirs, folder)

    with monkeypatch.context() as patch:
        patch.setattr(vault, "_replace", killed_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            run()
    run()
    there = age_keys.read_recipients(folder / "i13.recipients")
    assert (theirs in there) == (verb == "add")
    assert Vault.load(SITE, folder).get("db-prefect") == VALUE


def test_a_full_disk_is_said_and_leaves_the_old_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        SecretsError, match=r"i13.age: cannot be written .*: No space left"
    ) as error:
        update(SITE, lambda _: Hidden({"a": VALUE}), folder)
    assert VALUE not in everything_shown(error.value)
    assert Vault.load(SITE, folder).names() == ["db-prefect"]


def test_git_sees_neither_locks_nor_unfinished_files() -> None:
    names = [".i13.lock", ".i13.age.new", "i13.age", "i13.recipients"]
    paths = [str(age_keys.SECRETS / name) for name in names]
    done = subprocess.run(
        ["git", "check-ignore", *paths],
        cwd=age_keys.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == paths[:2], done.stderr
