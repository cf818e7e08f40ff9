"""Who talks to whom, and what listens where: derived from the descriptions' needs.

The firewall, the scan of the tests and the port table of the documents all follow from this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from tomobeam_deploy.catalogue import services_on_hosts
from tomobeam_deploy.service import Service
from tomobeam_deploy.site import Group, Network, Ports, Site
from tomobeam_deploy.site.hosts import HOLDERS

ANY_ADDRESS = "*"
FRONT_DOOR = "front door"


@dataclass(frozen=True)
class Flow:
    """Who opens connections to a port of a host, and why.

    `sources` are names of hosts, `networks` whoever else; `port` is the name of a field of
    `Ports`, or "" where something listens that is not ours.
    """

    target: str
    number: int
    why: str
    port: str = ""
    sources: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    protocol: str = "tcp"


@dataclass(frozen=True)
class Listener:
    """What listens on a port of a host; `address` is "*" where it does on every one."""

    address: str
    number: int
    port: str
    program: str


def reached_by(port: str) -> str:
    """The port, by its name, at which other hosts reach what listens on this one."""
    tls = f"{port}_tls"
    return tls if tls in Ports.model_fields else port


def fronted(site: Site) -> tuple[Service, ...]:
    """The services that speak HTTP and are reached through the front door of their host."""
    return tuple(
        service
        for service in services_on_hosts(site).values()
        if service.health.path and reached_by(service.port) != service.port
    )


def flows(site: Site) -> list[Flow]:
    """Every connection between hosts, and from outside to a host, that the platform needs."""
    found = [*_from_needs(site), *_from_outside(site)]
    return [flow for flow in found if flow.sources or flow.networks]


def _from_needs(site: Site) -> Iterator[Flow]:
    services = services_on_hosts(site)
    for service in services.values():
        users = site.members(HOLDERS[service.port or service.account])
        for need in service.needs:
            port = services[need].port
            yield _between(site, users, port, f"{service.name} uses {need}")
        if service.database_role:
            yield _between(site, users, "postgresql", f"{service.name} keeps its data there")
    producers = site.members(Group.RECONSTRUCTION)
    yield _between(site, producers, "broker", "reconstructions announce scans")
    web = [site.host_of("webapp")]
    for service in fronted(site):
        why = f"{service.name}'s own pages are shown under the name of {web[0]}"
        yield _between(site, web, service.port, why)


def _between(site: Site, users: list[str], service_port: str, why: str) -> Flow:
    """A flow from hosts to the one that holds a service; what stays on a host is none."""
    target, port = site.host_of(service_port), reached_by(service_port)
    sources = tuple(user for user in users if user != target)
    return Flow(target, getattr(site.ports, port), why, port, sources)


def _from_outside(site: Site) -> Iterator[Flow]:
    ports, web = site.ports, site.host_of("webapp")
    yield Flow(web, ports.webapp_tls, "the page", "webapp_tls", networks=site.clients)
    why = "sends browsers on to the page's TLS"
    yield Flow(web, ports.webapp_http, why, "webapp_http", networks=site.clients)
    producers = tuple(ip_network(address) for address in site.old_producers)
    why = "older programs announce scans"
    yield Flow(site.host_of("broker"), ports.broker, why, "broker", networks=producers)
    for name, host in site.hosts.items():
        yield Flow(name, ports.ssh, "operators log in", "ssh", networks=site.controllers)
        for opening in host.openings:
            yield Flow(
                name,
                opening.port,
                opening.why,
                networks=opening.sources,
                protocol=opening.protocol,
            )


def addresses(site: Site, *of: Flow) -> list[Network]:
    """From where flows come, without names; no network is within another."""
    hosts = [ip_network(site.hosts[name].address) for flow in of for name in flow.sources]
    every = [*hosts, *(network for flow in of for network in flow.networks)]
    old = collapse_addresses(network for network in every if isinstance(network, IPv4Network))
    new = collapse_addresses(network for network in every if isinstance(network, IPv6Network))
    return [*old, *new]


def written(network: Network) -> str:
    """An address without the length that says it is one, as nft lists it."""
    return str(network.network_address if network.num_addresses == 1 else network)


def listeners(site: Site, host: str) -> list[Listener]:
    """What of ours listens on the TCP ports of a host, on loopback too."""
    groups, own = site.hosts[host].groups, str(site.hosts[host].address)

    def at(address: str, port: str, program: str) -> Listener:
        return Listener(address, getattr(site.ports, port), port, program)

    found = [at(ANY_ADDRESS, "ssh", "sshd")]
    if HOLDERS["postgresql"] in groups:
        found += [at(address, "postgresql", "postgresql") for address in (site.address, own)]
    for service in services_on_hosts(site).values():
        if not service.port or HOLDERS[service.port] not in groups:
            continue
        # The broker ends its own TLS.
        if service.port != "broker":
            found.append(at(site.address, service.port, service.name))
        elif site.old_producers:
            found.append(at(own, service.port, service.name))
        if reached_by(service.port) != service.port:
            program = FRONT_DOOR if service in fronted(site) else service.name
            found.append(at(own, reached_by(service.port), program))
    if HOLDERS["webapp"] in groups:
        found.append(at(own, "webapp_http", FRONT_DOOR))
    return found
