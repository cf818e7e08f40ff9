"""Dumps, and what becomes of them: the scripts run for real, with a PostgreSQL of the tests'."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.postgresql import Cluster, cluster
from tests.unit.hosts.program import needs_root
from tomobeam_deploy.hosts.databases import (
    Contents,
    Dump,
    dump_script,
    restore_script,
    room_script,
    since_script,
    state_script,
)

pytestmark = needs_root

AUTHN, CATALOG = NAMES = ("tiled_authn", "tiled_catalog")
MADE = """
SET ROLE {name};
CREATE TABLE alembic_version (version_num text);
INSERT INTO alembic_version VALUES ('{revision}');
CREATE TABLE nodes (id serial PRIMARY KEY, key text, time_created timestamp DEFAULT now());
INSERT INTO nodes (key) VALUES ('first');
"""
RIGHTS = "SELECT datname, pg_get_userbyid(datdba), encoding, datcollate, datacl FROM pg_database"
OWNERS = "SELECT relname, pg_get_userbyid(relowner), relacl FROM pg_class WHERE relname ~ 'node|al'"
SCHEMA = "SELECT nspacl FROM pg_namespace WHERE nspname = 'public'"
KEYS = "SELECT key FROM nodes ORDER BY id"


@dataclass(frozen=True)
class Server:
    """A cluster with Tiled's databases, as the host of its scripts sees it."""

    cluster: Cluster
    folder: str

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", script],
            env={"PATH": os.environ["PATH"], **self.cluster.as_superuser()},
            capture_output=True,
            text=True,
            check=False,
        )

    def said(self, script: str) -> str:
        done = self.run(script)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def state(self) -> Contents:
        return Contents.read(self.said(state_script(NAMES, folder=self.folder)))

    def make(self, revision: str) -> None:
        for name in NAMES:
            self.cluster.sql(MADE.format(name=name, revision=revision), name)

    def dump(self) -> dict[str, Dump]:
        paths = self.said(dump_script(NAMES, folder=self.folder)).split()
        dumps = [dump for path in paths if (dump := Dump.of(path))]
        return {dump.database: dump for dump in dumps}

    def restore(self, dumps: dict[str, Dump]) -> subprocess.CompletedProcess[str]:
        return self.run(restore_script(dumps, folder=self.folder))

    def age(self, days: int) -> None:
        """Make all dumps older."""
        for path in Path(self.folder).iterdir():
            dump = Dump.of(str(path))
            assert dump
            time = dump.time - timedelta(days=days)
            stamp = f"{time:%Y%m%dT%H%M%S}.{time.microsecond // 1000:03}Z"
            old = path.with_name(f"{dump.database}-{dump.revision}-{stamp}.dump")
            path.rename(old)
            os.utime(old, (time.timestamp(), time.timestamp()))

    def looks(self) -> list[str]:
        """Rights and owners of everything."""
        found = [self.cluster.sql(f"{RIGHTS} WHERE datname LIKE 'tiled%' ORDER BY 1")]
        for name in NAMES:
            found += [self.cluster.sql(query, name) for query in (f"{OWNERS} ORDER BY 1", SCHEMA)]
        return found


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    with cluster() as server:
        yield server


@pytest.fixture
def server(running: Cluster, tmp_path: Path) -> Iterator[Server]:
    for name in NAMES:
        running.create(name)
    # pytest's folders are closed to the server's user.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest-of-"):
            folder.chmod(0o755)
            break
        folder.chmod(0o755)
    yield Server(running, str(tmp_path / "backups"))
    for name in NAMES:
        running.drop(name)


def test_databases_say_of_which_revision_they_are(server: Server) -> None:
    assert server.state() == Contents({AUTHN: None, CATALOG: None}, ())
    server.make("abc0123")
    assert server.state().revisions == {AUTHN: "abc0123", CATALOG: "abc0123"}


def test_an_empty_database_is_not_dumped(server: Server) -> None:
    server.cluster.sql(MADE.format(name=AUTHN, revision="abc0123"), AUTHN)
    assert server.dump().keys() == {AUTHN}


def test_dumps_are_for_the_superusers_eyes(server: Server) -> None:
    server.make("abc0123")
    before = datetime.now(UTC)
    dumps = server.dump()
    assert server.state().dumps_of(dict.fromkeys(NAMES, "abc0123")) == dumps
    assert server.state().dumps_of({AUTHN: "abc0123", CATALOG: "other"}) == {}
    assert timedelta(seconds=-1) < dumps[AUTHN].time - before < timedelta(seconds=30)
    assert dumps[AUTHN].time == dumps[CATALOG].time
    assert [Path(server.folder).owner(), Path(server.folder).stat().st_mode & 0o777] == [
        "postgres",
        0o700,
    ]
    for dump in dumps.values():
        assert Path(dump.path).stat().st_mode & 0o777 == 0o600


def test_of_the_last_three_revisions_dumps_are_kept(server: Server) -> None:
    server.make("r0")
    for number in range(1, 5):
        server.dump()
        server.age(days=1)
        for name in NAMES:
            server.cluster.sql(f"UPDATE alembic_version SET version_num = 'r{number}'", name)
    # Twice of the same: the first may be all that a failed migration left whole.
    server.dump()
    server.age(days=1)
    last = server.dump()
    kept = server.state().dumps
    assert sorted(dump.revision for dump in kept if dump.database == AUTHN) == [
        "r2",
        "r3",
        "r4",
        "r4",
    ]
    assert server.state().dumps_of(dict.fromkeys(NAMES, "r4")) == last


def test_what_a_killed_dump_left_goes_with_the_next(server: Server) -> None:
    server.make("r1")
    server.dump()
    half = Path(server.folder, f"{CATALOG}-r1-20260101T000000.000Z.dump.part")
    half.touch()
    assert all(dump.path != str(half) for dump in server.state().dumps)
    server.dump()
    assert not half.exists()


def test_what_does_not_fit_is_refused_before(server: Server, small_disk: Path) -> None:
    small_disk.chmod(0o755)
    folder = str(small_disk / "backups")
    done = server.run(room_script(NAMES, folder=folder))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{folder}: ")
    assert "MiB are needed for tiled_authn and tiled_catalog, but 0 MiB are free" in done.stderr
    assert server.said(room_script(NAMES, folder=server.folder)) == ""


def test_databases_become_what_they_were_with_the_rights_that_they_had(server: Server) -> None:
    server.make("r1")
    looked = server.looks()
    dumps = server.dump()
    for name in NAMES:
        changes = (
            "UPDATE alembic_version SET version_num = 'r2'; ALTER TABLE nodes RENAME TO renamed;"
            "INSERT INTO renamed (key) VALUES ('second'); CREATE TABLE newer (x int)"
        )
        server.cluster.sql(f"SET ROLE {name}; {changes}", name)
    # What a restore left that was killed, and somebody who does not let go.
    server.cluster.sql("CREATE DATABASE tiled_authn_restored")
    server.cluster.sql("CREATE DATABASE tiled_catalog_replaced")
    with server.cluster.session(CATALOG) as held:
        done = server.restore(dumps)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert held.wait(10) != 0
    assert server.state().revisions == dict.fromkeys(NAMES, "r1")
    assert server.cluster.sql(KEYS, CATALOG) == "first"
    assert server.cluster.sql("SELECT to_regclass('newer')", CATALOG) == ""
    assert server.looks() == looked
    # Its role goes on where it was.
    server.cluster.sql(f"SET ROLE {CATALOG}; INSERT INTO nodes (key) VALUES ('other')", CATALOG)
    assert server.cluster.sql(KEYS, CATALOG) == "first\nother"


def test_databases_stay_as_they_are_if_one_cannot_be_loaded(server: Server) -> None:
    server.make("r1")
    dumps = server.dump()
    for name in NAMES:
        server.cluster.sql("UPDATE alembic_version SET version_num = 'r2'", name)
    whole = Path(dumps[CATALOG].path)
    whole.write_bytes(whole.read_bytes()[:-700])
    done = server.restore(dumps)
    assert done.returncode
    assert "pg_restore: error" in done.stderr
    assert server.cluster.sql("SELECT count(*) FROM pg_database WHERE datname ~ '_re'") == "0"
    assert server.state().revisions == dict.fromkeys(NAMES, "r2")


def test_what_was_added_since_is_counted(server: Server) -> None:
    server.make("r1")
    count = since_script(NAMES, datetime.now(UTC), folder=server.folder)
    assert server.said(count) == "new nodes: 0\n"
    server.cluster.sql("INSERT INTO nodes (key) VALUES ('second'), ('third')", CATALOG)
    assert server.said(count) == "new nodes: 2\n"
    server.cluster.sql("ALTER TABLE nodes RENAME TO renamed", CATALOG)
    assert server.run(count).returncode
