"""The control host: PostgreSQL, the broker and Prefect's server."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from roles.postgresql import deploy as postgresql
from tests.hosts.reach import Reached
from tomobeam_deploy.hosts.target import CA
from tomobeam_deploy.site import Group
from tomobeam_deploy.site.model import DATABASES

GROUPS = (Group.CONTROL,)
ROLES = set(DATABASES.values())
POWERS = ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls")


@pytest.fixture
def database(host: Reached) -> dict[str, Any]:
    """Roles, rights and settings, as PostgreSQL tells them."""
    return host.ask("database", {"user": postgresql.USER})


def test_a_service_has_a_role_without_powers(host: Reached, database: dict[str, Any]) -> None:
    roles = {role["rolname"]: role for role in database["roles"] if role["rolcanlogin"]}
    assert set(roles) == ROLES | {postgresql.USER}
    for role in ROLES:
        assert [power for power in POWERS if roles[role][power]] == []
        limit = host.site.database_server.connections_per_role
        assert roles[role]["rolconnlimit"] == limit


def test_a_role_uses_its_own_databases_and_no_others(database: dict[str, Any]) -> None:
    owners = {entry["datname"]: entry["owner"] for entry in database["databases"]}
    assert set(DATABASES) <= set(owners)
    # Who owns a database could hand it on.
    assert {owners[name] for name in DATABASES} == {postgresql.USER}
    # PostgreSQL lets every role use databases of its own, to which nobody can log in from hosts.
    connect = {
        (row["database"], row["role"])
        for row in database["connect"]
        if row["connect"] and row["database"] in DATABASES
    }
    assert connect == set(DATABASES.items())


def test_hosts_log_in_over_tls_and_only_those_that_need_to(
    host: Reached, database: dict[str, Any]
) -> None:
    assert [row["error"] for row in database["access"] if row["error"]] == []
    local = [row for row in database["access"] if row["type"] == "local"]
    assert {(*row["user_name"], row["auth_method"]) for row in local} == {(postgresql.USER, "peer")}
    over_network = [row for row in database["access"] if row["type"] != "local"]
    assert {(row["type"], row["auth_method"]) for row in over_network} == {
        ("hostssl", "scram-sha-256")
    }
    found = {
        (name, role, str(ip_network(f"{row['address']}/{row['netmask']}")))
        for row in over_network
        for name in row["database"]
        for role in row["user_name"]
    }
    wanted = postgresql.clients(host.site)
    assert found == {(n, r, str(ip_network(a))) for n, r in DATABASES.items() for a in wanted[r]}


def test_postgresql_speaks_tls_and_keeps_no_password(database: dict[str, Any]) -> None:
    settings = {row["name"]: row["setting"] for row in database["settings"]}
    assert settings["ssl"] == "on"
    assert settings["password_encryption"] == "scram-sha-256"
    assert settings["ssl_min_protocol_version"] in ("TLSv1.2", "TLSv1.3")
    assert settings["data_checksums"] == "on"


def test_prefect_answers_nobody_without_a_login(host: Reached) -> None:
    url = f"{host.site.prefect_api_url}/admin/version"
    assert host.ask("http", {"ca": str(CA), "urls": [url]})[url][0] == 401
