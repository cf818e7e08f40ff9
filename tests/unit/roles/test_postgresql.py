from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from roles.postgresql import deploy as postgresql
from tests.support.postgresql import Cluster, cluster
from tests.unit.roles.beamline import command, load, text
from tests.unit.roles.named_secrets import target
from tomobeam_deploy.hosts.resources import File
from tomobeam_deploy.renderers.systemd import overriding
from tomobeam_deploy.site import DatabaseServer, Site


def rules(site: Site) -> list[str]:
    written = text(
        postgresql.configure(target(site, site.host_of("postgresql"))), postgresql.ACCESS
    )
    return [line for line in written.splitlines() if line and not line.startswith("#")]


def test_a_role_logs_in_to_its_databases_from_the_host_of_its_service_only() -> None:
    assert rules(load()) == [
        "local all postgres peer",
        "hostssl tiled_authn tiled 10.89.77.12/32 scram-sha-256",
        "hostssl tiled_catalog tiled 10.89.77.12/32 scram-sha-256",
        "hostssl prefect prefect 10.89.77.11/32 scram-sha-256",
    ]


def test_an_address_of_either_family_is_one_host() -> None:
    hosts = dict(load().hosts)
    hosts["storage"] = hosts["storage"].model_copy(update={"address": IPv6Address("fd00::12")})
    assert "hostssl tiled_authn tiled fd00::12/128 scram-sha-256" in rules(load(hosts=hosts))


def test_limits_are_the_sites() -> None:
    site = load(database_server=DatabaseServer(shared_buffers_mib=64, connections_per_role=20))
    settings = text(postgresql.configure(target(site, "control")), postgresql.SETTINGS)
    assert "shared_buffers = '64MB'" in settings
    assert "max_connections = 50" in settings


def test_no_password_comes_to_the_host() -> None:
    host = target(load(), "control")
    asked = [
        *postgresql.configure(host),
        *postgresql.activate(host),
        *postgresql.provision(host),
    ]
    sent = "".join(json.dumps([r.wanted(), r.payload()]) for r in asked)
    sent += "".join(r.content.decode() for r in asked if isinstance(r, File))
    assert "the tls-key-control" in sent
    assert "the db-" not in sent
    provision = command(asked, "databases and roles")
    assert "SCRAM-SHA-256$" in provision.stdin
    assert "SCRAM" not in provision.check + provision.apply + repr(provision)


def test_the_unit_starts_anew_with_whatever_it_reads() -> None:
    host = target(load(), "control")
    unit = text(postgresql.configure(host), postgresql.SANDBOX)
    assert f"sha256sum -- {' '.join(postgresql.READS)} " in unit
    written = {r.path for r in postgresql.configure(host) if isinstance(r, File)}
    read = written - {postgresql.SANDBOX} | {*overriding(postgresql.UNIT), "/etc/tomobeam/host.crt"}
    assert read == set(postgresql.READS)


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


class Roles:
    """Roles and databases of a site on a server of a test."""

    def __init__(self, server: Cluster, **changed: str) -> None:
        self._server = server
        asked = postgresql.provision(target(load(), "control", **changed))
        self._sql = command(asked, "databases and roles").stdin

    def differences(self) -> list[str]:
        return self._server.sql(f"\\set apply 0\n{self._sql}").splitlines()

    def put_right(self) -> None:
        self._server.sql(f"\\set apply 1\n{self._sql}")
        assert self.differences() == []


def test_an_empty_server_gets_all_and_then_nothing(server: Cluster) -> None:
    roles = Roles(server)
    assert {"role tiled is absent", "database prefect is absent"} <= set(roles.differences())
    roles.put_right()
    assert server.sql("SELECT count(*) FROM pg_roles WHERE rolsuper OR rolcreatedb") == "1"
    extension = "SET ROLE tiled; CREATE EXTENSION btree_gin; SELECT current_user"
    assert server.sql(extension, "tiled_catalog") == "tiled"


@pytest.mark.parametrize(
    ("database", "changed", "difference"),
    [
        ("postgres", "ALTER ROLE tiled SUPERUSER", "role tiled has other attributes"),
        ("postgres", "ALTER ROLE tiled CONNECTION LIMIT -1", "role tiled has other attributes"),
        ("postgres", "ALTER ROLE tiled VALID UNTIL '2001-01-01'", "role tiled has other attrib"),
        ("postgres", "ALTER ROLE tiled NOLOGIN", "role tiled has other attributes"),
        ("postgres", "ALTER ROLE tiled PASSWORD 'x'", "role tiled has another password"),
        ("postgres", "GRANT pg_read_all_data TO tiled", "role tiled is a member of pg_read_all"),
        ("postgres", "GRANT prefect TO tiled", "role tiled is a member of prefect"),
        (
            "postgres",
            "GRANT CONNECT ON DATABASE prefect TO PUBLIC",
            "rights on DATABASE prefect are: PUBLIC CONNECT, prefect CONNECT",
        ),
        (
            "postgres",
            "GRANT ALL ON DATABASE prefect TO tiled WITH GRANT OPTION; SET ROLE tiled;"
            "GRANT CONNECT ON DATABASE prefect TO pg_monitor",
            "rights on DATABASE prefect are: pg_monitor CONNECT",
        ),
        (
            "postgres",
            "REVOKE CREATE ON DATABASE prefect FROM prefect",
            "rights on DATABASE prefect are: prefect CONNECT, prefect TEMPORARY",
        ),
        ("postgres", "ALTER DATABASE tiled_authn OWNER TO tiled", "database tiled_authn belongs"),
        (
            "tiled_catalog",
            "GRANT USAGE ON SCHEMA public TO PUBLIC",
            "rights on SCHEMA public of tiled_catalog are: PUBLIC USAGE",
        ),
        ("postgres", "DROP DATABASE tiled_authn", "database tiled_authn is absent"),
    ],
)
def test_more_rights_and_fewer_are_seen_and_put_right(
    server: Cluster, database: str, changed: str, difference: str
) -> None:
    roles = Roles(server)
    roles.put_right()
    server.sql(changed, database)
    assert any(said.startswith(difference) for said in roles.differences())
    roles.put_right()


def test_a_new_password_is_a_difference_that_is_not_shown(server: Cluster) -> None:
    Roles(server).put_right()
    changed = Roles(server, db_tiled="another-one")
    assert changed.differences() == ["role tiled has another password"]
    changed.put_right()
