"""What a lab consists of: the hosts of a site, on one network of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from tomobeam_deploy.site import FileStore, Group, Site, StoreMode
from tomobeam_deploy.site.connection import setting
from tomobeam_deploy.templates import ROOT

# Whose hosts `make lab` starts.
INVENTORY = ROOT / "inventories" / "lab"

# The names on this machine are fixed, so there is one lab on it, whatever site it is of.
PREFIX = "tomobeam-lab"
NETWORK = PREFIX
VOLUME = f"{PREFIX}-filestore"

PREFIX_LENGTH = 24
USER_ID = 1000


class LabError(RuntimeError):
    """The lab cannot do what was asked; the message says what is at fault."""


class CannotRunHere(LabError):
    """This machine cannot run a lab at all."""


@dataclass(frozen=True)
class LabHost:
    """One host of the lab."""

    name: str
    address: IPv4Address
    names: tuple[str, ...] = ()
    """by which the others know it besides"""
    groups: frozenset[Group] = frozenset()
    file_store: Path | None = None
    """where the shared file store is mounted; None: it is not"""

    @property
    def container(self) -> str:
        """The name of its container."""
        return f"{PREFIX}-{self.name}"


@dataclass(frozen=True)
class StoreFolder:
    """What a store that exists has before anything is deployed."""

    path: Path
    owner: int
    group: int
    mode: int


@dataclass(frozen=True)
class Lab:
    """A site's hosts on one machine: containers with systemd on a network without a way out."""

    inventory: Path
    subnet: IPv4Network
    user: str
    """as whom the operator logs in; has sudo, is not root"""
    hosts: tuple[LabHost, ...]
    folders: tuple[StoreFolder, ...] = ()

    @classmethod
    def of(cls, inventory: Path) -> Lab:
        """The hosts of an inventory.

        Raises:
            SiteError: the inventory or its connection settings are wrong.
            LabError: they cannot be hosts of one lab; names the key.
        """
        site = Site.load(inventory)
        if not site.hosts:
            raise LabError(f"{inventory}: hosts: there are none; {site.name} runs on one machine")
        addresses = {name: _address(inventory, name, h.address) for name, h in site.hosts.items()}
        subnet = _subnet(inventory, addresses)
        _controller_may_log_in(inventory, site, subnet)
        return cls(
            inventory=inventory.resolve(),
            subnet=subnet,
            user=setting(inventory, "ssh_user", "the account of the operator"),
            hosts=tuple(
                LabHost(name, addresses[name], host.names, host.groups, host.file_store)
                for name, host in site.hosts.items()
            ),
            folders=_folders(site),
        )

    @property
    def gateway(self) -> IPv4Address:
        """The controller's address as the hosts see it."""
        return gateway(self.subnet)

    def host(self, name: str) -> LabHost:
        """A host by its name.

        Raises:
            LabError: there is none of that name.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"no lab host {name!r}; there are: {', '.join(h.name for h in self.hosts)}")


def gateway(subnet: IPv4Network) -> IPv4Address:
    """The address that this machine has on a lab's network."""
    return subnet.network_address + 1


def _address(inventory: Path, name: str, address: object) -> IPv4Address:
    if not isinstance(address, IPv4Address):
        raise LabError(f"{inventory}: hosts.{name}.address: {address}: a lab has IPv4 only")
    return address


def _subnet(inventory: Path, addresses: dict[str, IPv4Address]) -> IPv4Network:
    """The network that all hosts are in."""
    first = next(iter(addresses.values()))
    subnet = IPv4Network(f"{first}/{PREFIX_LENGTH}", strict=False)
    for name, address in addresses.items():
        where = f"{inventory}: hosts.{name}.address: {address}"
        if address not in subnet:
            raise LabError(f"{where} is not in {subnet} like {first}: a lab is one network")
        if address == gateway(subnet):
            raise LabError(f"{where} is the controller's in a lab; give the host another")
    return subnet


def _controller_may_log_in(inventory: Path, site: Site, subnet: IPv4Network) -> None:
    """A firewall that kept the controller out would end every deploy half-way."""
    controller = gateway(subnet)
    if not any(controller in network for network in site.controllers):
        raise LabError(
            f"{inventory}: controllers: none holds {controller}, which is the controller's "
            "address in a lab; add it"
        )


def _folders(site: Site) -> tuple[StoreFolder, ...]:
    """On a store that exists our folders do too, as its keeper made them."""
    store: FileStore | None = site.store
    if store is None or store.mode is not StoreMode.EXISTING:
        return ()
    own = site.accounts
    return (
        StoreFolder(site.data.filestore, own.reconstruction, own.shared, 0o2750),
        StoreFolder(site.data.models, own.worker, own.shared, 0o2750),
    )
