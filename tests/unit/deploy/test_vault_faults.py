"""Two who change a site's secrets at once, a change that is killed, a disk that is full."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from pyrage.x25519 import Identity  # pyright: ignore[reportMissingImports]

from tests.unit.deploy.vaults import SITE, VALUE, everything_shown, put
from tomobeam_deploy import age_keys, vault
from tomobeam_deploy.secrets import Hidden, SecretsError
from tomobeam_deploy.vault import Vault, add_recipient, remove_recipient, update


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
