"""What a host has to be, from the site's inventory and the descriptions of its services."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from roles.certificates.deploy import PRIVATE
from roles.firewall import deploy as firewall
from roles.front_door import deploy as front_door
from roles.postgresql import deploy as postgresql
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.network import addresses, flows, fronted, listeners
from tomobeam_deploy.renderers.systemd import Once, timer_name, unit_name
from tomobeam_deploy.service import Process
from tomobeam_deploy.site import Site
from tomobeam_deploy.vault import Vault

# As `ss` writes an address that is every one, of either family.
EVERYWHERE = ("*", "0.0.0.0", "::")


def target_of(site: Site, host: str) -> Target:
    """The host as the roles see it; no secret is asked for here."""
    return Target(site, host, Vault(Path(f"{site.name}.age")))


def own_unit(process: Process) -> str:
    """What keeps a service alive: its unit, or the timer that starts it again and again."""
    return timer_name(process.name) if process.service.every_s else unit_name(process.name)


def sandboxed_units(process: Process) -> list[str]:
    """Every unit that runs a program of a service."""
    stages = [stage for stage in Once if getattr(process, stage)]
    return [unit_name(process.name), *(unit_name(process.name, stage) for stage in stages)]


def debian_units(site: Site, host: str) -> list[str]:
    """Units of Debian's that the platform stands on."""
    groups = site.hosts[host].groups
    held = {
        front_door.UNIT: front_door.GROUPS,
        postgresql.UNIT: postgresql.GROUPS,
    }
    found = [unit for unit, holders in held.items() if groups & set(holders)]
    clock = ["chrony.service"] if site.time_servers else []
    return ["ssh.service", "systemd-journald.service", *clock, *found]


def units(site: Site, host: str) -> list[str]:
    """Every unit that has to be active."""
    own = [own_unit(process) for process in target_of(site, host).processes.values()]
    return [*own, firewall.UNIT, *debian_units(site, host)]


def may_connect(site: Site, source: str, target: str, port: int) -> bool:
    """Whether a host, by its name, or an address may open connections to a port of a host."""
    address = ip_address(site.hosts[source].address if source in site.hosts else source)
    reaching = [f for f in flows(site) if (f.target, f.number, f.protocol) == (target, port, "tcp")]
    return any(address in network for network in addresses(site, *reaching))


def described_ports(site: Site, host: str) -> dict[int, set[str]]:
    """On which addresses of a host each of our ports listens."""
    found: dict[int, set[str]] = {}
    for listener in listeners(site, host):
        found.setdefault(listener.number, set()).add(listener.address)
    return found


def ports_to_try(site: Site, host: str, listening: list[tuple[str, int, str]]) -> list[int]:
    """All that listens anywhere in the platform or on that host, or that it opens for others."""
    platform = set(site.ports.model_dump().values())
    opened = {o.port for o in site.hosts[host].openings if o.protocol == "tcp"}
    return sorted(platform | opened | {port for _, port, _ in listening})


def tls_servers(site: Site, host: str) -> list[tuple[str, int, str]]:
    """Address, port and kind of everything on a host that speaks TLS."""
    address = str(site.hosts[host].address)
    kinds = {"postgresql": "postgresql"}
    return [
        (address, listener.number, kinds.get(listener.port, "plain"))
        for listener in listeners(site, host)
        if listener.address == address
        and (listener.port.endswith("_tls") or listener.port in kinds)
    ]


def health_urls(site: Site, host: str) -> list[str]:
    """Where services say that they are well: on their host, and through the front door."""
    processes = target_of(site, host).processes
    own = [process.health_url for process in processes.values() if process.health_path]
    behind = [processes[service.name] for service in fronted(site) if service.name in processes]
    return [*own, *(f"{site.url(p.service.port)}{p.health_path}" for p in behind)]


def secret_places(site: Site, host: str) -> list[str]:
    """Folders in which a host keeps its secrets."""
    folders = {p.placement.secrets for p in target_of(site, host).processes.values()}
    return sorted(map(str, {*folders, PRIVATE}))


def secret_files(process: Process) -> list[str]:
    """The secrets of a service."""
    names = {*process.credentials.values(), *process.provision_credentials.values()}
    return [str(process.placement.secrets / name) for name in sorted(names)]
