from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network, ip_network

import pytest

from tests.unit.roles.beamline import load
from tomobeam_deploy.catalogue import services_on_hosts
from tomobeam_deploy.network import ANY_ADDRESS, Flow, addresses, flows, listeners
from tomobeam_deploy.reference.ports import port_table
from tomobeam_deploy.site import Group, Opening, Site
from tomobeam_deploy.site.hosts import HOLDERS

INVENTORIES = ("lab", "beamline", "single")


def reaching(site: Site, port: str) -> set[str]:
    """The hosts that reach a port, by its name."""
    return {source for flow in flows(site) if flow.port == port for source in flow.sources}


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_every_need_between_hosts_is_a_flow(inventory: str) -> None:
    site = load(inventory)
    found = {(source, flow.target, flow.port) for flow in flows(site) for source in flow.sources}
    services = services_on_hosts(site)
    for service in services.values():
        users = site.members(HOLDERS[service.port or service.account])
        wanted = {(services[need].port, f"{services[need].port}_tls") for need in service.needs}
        if service.database_role:
            wanted.add(("postgresql", "postgresql"))
        for port, reached_by in wanted:
            held_by = site.host_of(port)
            assert {(u, held_by, reached_by) for u in users if u != held_by} <= found


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_what_is_reached_listens_and_what_listens_outside_is_reached(inventory: str) -> None:
    site = load(inventory)
    reached = {(flow.target, flow.number) for flow in flows(site) if flow.port}
    outside = {
        (host, listener.number)
        for host in site.hosts
        for listener in listeners(site, host)
        if listener.address != site.address
    }
    assert reached <= outside
    # Where one host holds everything, its services reach each other without leaving it.
    assert reached == outside or len(site.hosts) == 1


def test_only_those_who_need_a_service_reach_it() -> None:
    site = load()
    assert reaching(site, "postgresql") == {"storage"}
    assert reaching(site, "prefect_server_tls") == {"compute1", "compute2", "web"}
    assert reaching(site, "tiled_tls") == {"compute1", "compute2", "web"}
    assert reaching(site, "broker_tls") == {"storage", "recon"}
    assert reaching(site, "ssh") == set()
    assert not [flow for flow in flows(site) if flow.port == "broker"]


def test_one_host_that_holds_everything_is_reached_from_outside_only() -> None:
    found = flows(load("single"))
    assert {flow.port for flow in found} == {"webapp_tls", "webapp_http", "ssh"}
    assert not any(flow.sources for flow in found)


def test_older_producers_reach_the_broker_without_tls_and_nobody_else_does() -> None:
    site = load(old_producers=(IPv4Address("192.0.2.77"),))
    (flow,) = [flow for flow in flows(site) if flow.port == "broker"]
    assert addresses(site, flow) == [ip_network("192.0.2.77")]
    own = str(site.hosts["control"].address)
    assert [each.address for each in listeners(site, "control") if each.port == "broker"] == [own]
    assert not [each for each in listeners(load(), "control") if each.port == "broker"]


def test_a_port_that_is_not_ours_is_opened_to_whom_it_names() -> None:
    hosts = dict(load().hosts)
    nfs = Opening(port=2049, sources=(IPv6Network("fd00::/64"),), why="the site's NFS")
    hosts["storage"] = hosts["storage"].model_copy(update={"openings": (nfs,)})
    site = load(hosts=hosts)
    assert Flow("storage", 2049, "the site's NFS", networks=nfs.sources) in flows(site)
    assert "| 2049/tcp |  | not ours | fd00::/64 | the site's NFS |" in port_table(site)


def test_addresses_are_of_both_families_and_none_is_within_another() -> None:
    site = load()
    networks = tuple(map(ip_network, ("10.89.77.0/25", "fd00::/64", "fd00::1", "10.89.77.128/25")))
    flow = Flow("control", 1, "", sources=("storage", "recon"), networks=networks)
    assert addresses(site, flow) == [ip_network("10.89.77.0/24"), ip_network("fd00::/64")]


def test_the_table_has_a_row_for_every_listener() -> None:
    site = load()
    table = port_table(site)
    for host in site.hosts:
        part = table.split(f"## {host} (")[1].split("## ")[0]
        rows = [line.split(" | ")[:2] for line in part.splitlines() if line.startswith("| ")][1:]
        assert rows == [[f"| {each.number}", each.address] for each in listeners(site, host)]
    assert f"| 22 | {ANY_ADDRESS} | sshd | 10.89.77.1 | operators log in |" in table
    assert site.members(Group.WEB) == ["web"]
