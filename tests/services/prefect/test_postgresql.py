"""Prefect's server on PostgreSQL, over TLS, with a role that may create in its database only."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platform import Platform, make_site
from tests.support.postgresql import Cluster, cluster
from tests.support.processes import running
from tests.support.tls import Authority
from tomobeam_deploy.local.platform import LocalPlatform

COMMAND = Path(sys.executable).with_name("tomobeam-flows")
# Not even of which server it is.
BARE = {"HOME": "/nonexistent"}
TLS = "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_TLS"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    local = LocalPlatform(make_site(tmp_path_factory.mktemp("site")), only=[])
    local.layout.write(local.layout.processes())
    return Platform(local)


@pytest.fixture
def server() -> Iterator[Cluster]:
    with cluster() as running_cluster:
        running_cluster.create("prefect")
        yield running_cluster


def environment(platform: Platform, server: Cluster, ca: Path | None = None) -> dict[str, str]:
    return (
        platform.environment("prefect-server")
        | server.environment()
        | {
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": server.uri("prefect", ""),
            f"{TLS}_ENABLED": "true",
            f"{TLS}_CA_FILE": str(ca or server.ca),
            f"{TLS}_CHECK_HOSTNAME": "true",
        }
    )


def schema(settings: dict[str, str]) -> dict[str, str | None]:
    said = subprocess.run(
        [COMMAND, "schema"], env=settings, capture_output=True, text=True, check=True
    )
    return json.loads(said.stdout)["prefect"]


def test_the_server_makes_its_schema_and_keeps_what_it_is_given(
    platform: Platform, server: Cluster, tmp_path: Path
) -> None:
    settings = environment(platform, server)
    before = schema(settings)
    assert before["found"] is None
    assert "fault" not in before
    process = platform.local.layout.processes()["prefect-server"]
    health = f"{platform.site.url('prefect_server')}/api/health"
    with running(process.argv, settings, tmp_path / "log", health):
        subprocess.run(
            [COMMAND, "provision"], env=platform.provision_environment("prefect-server"), check=True
        )
        encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        assert server.sql(f"{encrypted} WHERE usename = 'prefect'") == "t"
    assert server.sql("SELECT name FROM deployment", "prefect") == "launch_parent_flow"
    assert schema(settings) == {"wanted": before["wanted"], "found": before["wanted"]}


def test_an_older_schema_is_migrated_and_keeps_what_it_holds(
    platform: Platform, server: Cluster
) -> None:
    settings = environment(platform, server)
    change = [COMMAND.with_name("prefect"), "server", "database"]
    upgrade = [*change, "upgrade", "-y"]
    for command in (upgrade, [*change, "downgrade", "-y", "--revision", "-1"]):
        subprocess.run(command, env=settings, capture_output=True, check=True)
    said = subprocess.run(
        [COMMAND, "schema", "--known"], env=BARE, capture_output=True, text=True, check=True
    )
    known = json.loads(said.stdout)["prefect"]
    assert schema(settings) == {"wanted": known[0], "found": known[1]}
    flows = "INSERT INTO flow (name) VALUES ('kept'); SELECT name FROM flow"
    kept = server.sql(flows, "prefect")

    subprocess.run(upgrade, env=settings, capture_output=True, check=True)
    assert schema(settings)["found"] == known[0]
    assert server.sql("SELECT name FROM flow", "prefect") == kept


def test_a_strange_server_is_not_trusted(
    platform: Platform, server: Cluster, tmp_path: Path
) -> None:
    said = schema(environment(platform, server, ca=Authority(tmp_path / "pki").ca))
    assert said["found"] is None
    assert "certificate verify failed" in str(said["fault"])
