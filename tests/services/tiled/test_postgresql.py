"""Tiled with its two databases on PostgreSQL, over TLS, its roles kept short."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.services.tiled.bench import DATABASES, Bench, make_older
from tests.support.postgresql import Cluster
from tests.support.processes import running
from tests.support.tls import Authority
from tomobeam_common.tiled import TiledClient


def keys(cluster: Cluster) -> str:
    return cluster.sql(
        "SELECT note, first_eight, principal_id FROM api_keys ORDER BY 1", DATABASES[0]
    )


def test_prepare_may_be_run_again_and_tiled_serves(bench: Bench, tmp_path: Path) -> None:
    assert {s["found"] for s in bench.schema().values()} == {None}
    code, _, err = bench.command("prepare")
    assert (code, err) == (0, "")
    known = keys(bench.cluster)
    assert known.count("tomobeam: ") == 5
    assert bench.command("prepare")[1] == "keys installed: none, all were known\n"
    assert keys(bench.cluster) == known
    assert all(s["found"] == s["wanted"] for s in bench.schema().values())

    process = bench.platform.local.layout.processes()["tiled"]
    url = bench.platform.site.url("tiled")
    key = SecretStr(bench.platform.secret("tiled-key-ingester"))
    with (
        running(process.argv, bench.environment(), tmp_path / "log", f"{url}/healthz"),
        TiledClient(url, key) as tiled,
    ):
        tiled.ensure_container("recons/first")
        assert [node.key for node in tiled.children("recons")] == ["first"]
        encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        assert bench.cluster.sql(f"{encrypted} WHERE usename LIKE 'tiled%'") == "t"
    assert "first" in bench.cluster.sql("SELECT key FROM nodes", "tiled_catalog")


def test_prepare_that_was_killed_before_its_last_step_is_made_good(bench: Bench) -> None:
    assert bench.command("prepare")[0] == 0
    for name in DATABASES:
        bench.cluster.sql("DROP TABLE alembic_version", name)
    code, _, err = bench.command("prepare")
    assert (code, err) == (0, "")
    assert all(s["found"] == s["wanted"] for s in bench.schema().values())


def test_what_a_program_knows_is_said_without_a_database(bench: Bench) -> None:
    nobody = {f"TOMOBEAM_{name.upper()}_URI": "" for name in DATABASES}
    code, out, err = bench.command("schema", "--known", **nobody)
    assert (code, err) == (0, "")
    known = json.loads(out)
    assert {name: revisions[0] for name, revisions in known.items()} == {
        name: found["wanted"] for name, found in bench.schema().items()
    }
    assert all(len(revisions) > 1 for revisions in known.values())


def test_an_older_schema_is_migrated_and_keeps_what_it_holds(bench: Bench) -> None:
    assert bench.command("prepare")[0] == 0
    known = keys(bench.cluster)
    older = make_older(bench)
    assert {name: found["found"] for name, found in bench.schema().items()} == older
    tag = "SELECT name FROM access_tags"
    tags = bench.cluster.sql(f"INSERT INTO access_tags (name) VALUES ('i13'); {tag}", DATABASES[1])

    code, _, err = bench.command("prepare")
    assert code == 2
    assert "migrate it first" in err
    code, out, err = bench.command("migrate")
    assert (code, err) == (0, "")
    assert [line.partition(":")[0] for line in out.splitlines()] == list(DATABASES)
    assert all(found["found"] == found["wanted"] for found in bench.schema().values())
    assert keys(bench.cluster) == known
    assert bench.cluster.sql(tag, DATABASES[1]) == tags
    assert bench.command("migrate") == (0, "", "")
    assert bench.command("prepare")[0] == 0


def test_a_step_that_fails_is_undone_and_one_sentence(bench: Bench) -> None:
    assert bench.command("prepare")[0] == 0
    older = make_older(bench)
    # What the next step would make is there already.
    bench.cluster.sql("CREATE TABLE access_grants ()", "tiled_catalog")
    code, _, err = bench.command("migrate")
    assert code == 2
    assert err.startswith("TOMOBEAM_TILED_CATALOG_URI: ")
    assert 'relation "access_grants" already exists' in err
    assert bench.schema()["tiled_catalog"]["found"] == older["tiled_catalog"]


@pytest.mark.parametrize("command", ["prepare", "migrate"])
def test_a_newer_schema_is_named_and_left_alone(bench: Bench, command: str) -> None:
    assert bench.command("prepare")[0] == 0
    bench.cluster.sql("UPDATE alembic_version SET version_num = 'newer'", "tiled_catalog")
    code, _, err = bench.command(command)
    assert code == 2
    assert err.startswith("TOMOBEAM_TILED_CATALOG_URI: the schema is of revision newer, ")
    assert err.endswith("a newer Tiled made it\n")
    assert bench.schema()["tiled_catalog"]["found"] == "newer"


def test_a_server_that_is_not_to_be_had_is_one_sentence(bench: Bench, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    wrong = secrets.token_hex(8)
    passwords.write_text(f"*:*:*:*:{wrong}\n")
    cases = {
        "certificate verify failed": {"PGSSLROOTCERT": str(Authority(tmp_path / "pki").ca)},
        "password authentication failed": {"PGPASSFILE": str(passwords)},
        "No such file or directory (password: PGPASSFILE, CA": {"PGSSLROOTCERT": "/nowhere"},
    }
    for sentence, changes in cases.items():
        code, _, err = bench.command("prepare", **changes)
        assert code == 2
        assert err.startswith("TOMOBEAM_TILED_AUTHN_URI: ")
        assert sentence in err
        assert err.count("\n") == 1
        assert wrong not in err
    fault = bench.schema(PGPASSFILE=str(passwords))["tiled_catalog"]
    assert fault["found"] is None
    assert "password authentication failed" in str(fault["fault"])
