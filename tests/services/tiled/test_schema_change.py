"""Tiled's own migration, forth and back, as the hosts of an installation go through it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.services.tiled.bench import DATABASES, Bench, make_older
from tomobeam_deploy.hosts import schemas
from tomobeam_deploy.hosts.databases import FOLDER
from tomobeam_deploy.hosts.operations import HostFault
from tomobeam_deploy.hosts.schemas import Databases, settle

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root: as the databases' host")

KEYS = "SELECT key FROM nodes ORDER BY id"
NODE = (
    "INSERT INTO nodes (parent, key, structure_family, metadata, specs)"
    " VALUES (0, 'lost', 'container', '{}', '[]')"
)


@dataclass
class Hosts:
    """The service's host, of which only the releases are there, and the databases' host."""

    bench: Bench
    folder: Path
    told: list[str] = field(default_factory=list)

    def __call__(self, host: str, script: str, argument: str, stdin: str) -> str:
        if script.startswith("systemctl"):
            self.told.append(script)
            return ""
        done = subprocess.run(
            ["/bin/sh", "-c", script.replace(FOLDER, str(self.folder / "backups"))],
            env={"PATH": os.environ["PATH"], **self.bench.cluster.as_superuser()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), host
        return done.stdout

    def release(self, name: str, known: dict[str, list[str]]) -> Databases:
        folder = self.folder / name
        folder.mkdir()
        (folder / "release.json").write_text(json.dumps({"schema": known}))
        return Databases("tiled", "tomobeam-tiled.service", str(folder), "control", DATABASES)


@pytest.fixture
def hosts(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    monkeypatch.setattr(schemas, "command_line", lambda: {"inventory": "inventories/i13"})
    # pytest's folders are closed to the server's user.
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return Hosts(bench, tmp_path)


def found(bench: Bench) -> dict[str, str | None]:
    return {name: each["found"] for name, each in bench.schema().items()}


def test_a_schema_goes_forth_and_back_and_forth_again(bench: Bench, hosts: Hosts) -> None:
    known = json.loads(bench.command("schema", "--known")[1])
    new = hosts.release("new", known)
    old = hosts.release("old", {name: revisions[1:] for name, revisions in known.items()})
    assert bench.command("prepare")[0] == 0
    older = make_older(bench)
    assert settle(old, False, hosts, "storage") is False

    assert settle(new, False, hosts, "storage") is True
    assert bench.command("migrate")[0] == 0
    kept = bench.cluster.sql(KEYS, "tiled_catalog")
    bench.cluster.sql(NODE, "tiled_catalog")
    with pytest.raises(HostFault, match=r"is lost \(new nodes: 1\), by: .* --release old --rest"):
        settle(old, False, hosts, "storage")
    assert found(bench) == {name: revisions[0] for name, revisions in known.items()}
    assert hosts.told == ["systemctl stop tomobeam-tiled.service"]

    assert settle(old, True, hosts, "storage") is False
    assert found(bench) == older
    assert bench.cluster.sql(KEYS, "tiled_catalog") == kept

    # With the rights that it had, Tiled does the same again.
    assert settle(new, False, hosts, "storage") is True
    assert bench.command("migrate")[0] == 0
    assert bench.command("prepare") == (0, "keys installed: none, all were known\n", "")
    assert hosts.told == ["systemctl stop tomobeam-tiled.service"] * 3
