"""A PostgreSQL cluster of a test's own, set up as the platform's is: TLS, scram, bare roles."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.platform import free_ports
from tests.support.tls import Authority
from tests.support.waiting import wait_for

BIN = Path("/usr/lib/postgresql/15/bin")
SUPERUSER = "postgres"
HOST = "localhost"
START_LIMIT_S = 60

_DATABASE = """
CREATE ROLE {name} LOGIN PASSWORD '{password}';
CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
REVOKE ALL ON DATABASE {name} FROM PUBLIC;
GRANT CONNECT, TEMPORARY, CREATE ON DATABASE {name} TO {name};
"""


class Cluster:
    """A server that runs; each of its databases belongs to a role of the same name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self.port = free_ports(["postgresql"])["postgresql"]
        self._passwords = folder / "passwords"
        authority = Authority(folder / "pki")
        self._pair = authority.issue(HOST)
        self.ca = authority.ca
        self._passwords.touch(mode=0o600)
        for path in (folder, *folder.rglob("*")):
            _give(path)
        self._run("initdb", "-D", self._data, "-U", SUPERUSER, "--no-sync", "-A", "trust")
        self._configure()
        self.start()

    def environment(self) -> dict[str, str]:
        """What libpq and asyncpg read."""
        return {"PGPASSFILE": str(self._passwords), "PGSSLROOTCERT": str(self.ca)}

    def as_superuser(self) -> dict[str, str]:
        """What the programs of a host read that has this cluster only."""
        return {"PGHOST": str(self._folder), "PGPORT": str(self.port)}

    @contextmanager
    def session(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """A client that stays connected to a database, until somebody ends it."""
        words = ["-X", "-h", self._folder, "-p", str(self.port), "-U", SUPERUSER, name]
        with subprocess.Popen(
            [*_as_server(), BIN / "psql", *words, "-c", "SELECT pg_sleep(600)"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        ) as client:  # fmt: skip
            there = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
            wait_for(lambda: self.sql(there) == "1", "the session")
            try:
                yield client
            finally:
                client.kill()

    def uri(self, name: str, query: str = "?ssl=verify-full") -> str:
        """A database as SQLAlchemy names it, without a password."""
        return f"postgresql+asyncpg://{name}@{HOST}:{self.port}/{name}{query}"

    def create(self, name: str) -> None:
        """A database and its role, which may create in it and no more."""
        password = secrets.token_urlsafe(12)
        self.sql(_DATABASE.format(name=name, password=password))
        self.sql(f"GRANT USAGE, CREATE ON SCHEMA public TO {name}", name)
        with self._passwords.open("a") as file:
            file.write(f"{HOST}:{self.port}:{name}:{name}:{password}\n")

    def drop(self, name: str) -> None:
        """Take a database and its role away."""
        self.sql(f"DROP DATABASE {name} (FORCE);\nDROP ROLE {name};\n")
        lines = self._passwords.read_text().splitlines(keepends=True)
        self._passwords.write_text("".join(k for k in lines if f":{name}:" not in k))

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Run statements as the superuser; what they return, a row a line."""
        words = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self._folder]
        return self._run(
            "psql", *words, "-p", self.port, "-U", SUPERUSER, database, said=statements
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._control("start", "-l", self._folder / "log")

    def stop(self) -> None:
        """Stop without waiting for clients."""
        self._control("stop", "-m", "fast")

    def _control(self, what: str, *words: object) -> None:
        self._run("pg_ctl", what, "-w", "-t", START_LIMIT_S, "-D", self._data, *words)

    def _configure(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._folder,
            "ssl": "on",
            "ssl_cert_file": self._pair.certificate,
            "ssl_key_file": self._pair.key,
            "fsync": "off",
        }
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(lines)
        rules = "local all all trust\nhostssl sameuser all 127.0.0.1/32 scram-sha-256\n"
        (self._data / "pg_hba.conf").write_text(rules)

    def _run(self, program: str, *words: object, said: str = "") -> str:
        done = subprocess.run(
            [*_as_server(), BIN / program, *map(str, words)],
            input=said, capture_output=True, text=True, check=False, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _as_server() -> list[str]:
    """The server refuses to run as root."""
    user = ["setpriv", f"--reuid={SUPERUSER}", f"--regid={SUPERUSER}", "--clear-groups", "--"]
    return user if os.geteuid() == 0 else []


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam(SUPERUSER)
        os.chown(path, user.pw_uid, user.pw_gid)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster that is gone afterwards; skips the test where PostgreSQL is not installed."""
    if not BIN.is_dir():
        pytest.skip(f"postgresql: {BIN} is missing (apt-get install postgresql)")
    # pytest's own temporary folders are closed to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="tomobeam-postgresql-"))
    server = None
    try:
        server = Cluster(folder)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)
