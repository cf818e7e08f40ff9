"""What the lab consists of: its hosts, addresses and names, in one literal."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath
from typing import Self

from pydantic import Field, model_validator

from tomobeam_deploy.site import Strict


class LabError(RuntimeError):
    """The lab cannot do what was asked; the message says what is at fault."""


class CannotRunHere(LabError):
    """This machine cannot run a lab at all."""


class LabHost(Strict):
    """One host of the lab."""

    name: str = Field(pattern=r"^[a-z][a-z0-9]*$", description="host name, and its name for SSH")
    address: IPv4Address
    group: str = Field(description="the group of an inventory to which the host belongs")
    file_store: PurePosixPath | None = Field(
        default=None, description="where the shared file store is mounted; None: it is not"
    )


class Lab(Strict):
    """A beamline's hosts on one machine: containers with systemd on a network without a way out."""

    prefix: str = Field(description="of every container's name on this machine")
    network: str
    subnet: IPv4Network
    volume: str = Field(description="stands for the file store that several hosts mount")
    user: str = Field(description="as whom the operator logs in; has sudo, is not root")
    user_id: int = Field(gt=0)
    hosts: tuple[LabHost, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        taken: dict[IPv4Address, str] = {self.gateway: "the controller"}
        for host in self.hosts:
            if host.address not in self.subnet:
                raise ValueError(f"{host.name}: {host.address} is not in {self.subnet}")
            if host.address in taken:
                raise ValueError(f"{host.name}: {host.address} belongs to {taken[host.address]}")
            taken[host.address] = host.name
        return self

    @property
    def gateway(self) -> IPv4Address:
        """The controller's address as the hosts see it."""
        return self.subnet.network_address + 1

    def container(self, host: LabHost) -> str:
        """The name of a host's container."""
        return f"{self.prefix}-{host.name}"

    def host(self, name: str) -> LabHost:
        """A host by its name.

        Raises:
            LabError: there is none of that name.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"no lab host {name!r}; there are: {', '.join(h.name for h in self.hosts)}")


FILE_STORE = PurePosixPath("/srv/filestore")

LAB = Lab(
    prefix="tomobeam-lab",
    network="tomobeam-lab",
    subnet=IPv4Network("10.89.77.0/24"),
    volume="tomobeam-lab-filestore",
    user="deploy",
    user_id=1000,
    hosts=(
        LabHost(name="control", address=IPv4Address("10.89.77.11"), group="control"),
        LabHost(
            name="storage",
            address=IPv4Address("10.89.77.12"),
            group="storage",
            file_store=FILE_STORE,
        ),
        LabHost(
            name="compute1",
            address=IPv4Address("10.89.77.13"),
            group="compute",
            file_store=FILE_STORE,
        ),
        LabHost(
            name="compute2",
            address=IPv4Address("10.89.77.14"),
            group="compute",
            file_store=FILE_STORE,
        ),
        LabHost(name="web", address=IPv4Address("10.89.77.15"), group="web"),
        # Producers see the store under a path of their own, as at most beamlines.
        LabHost(
            name="recon",
            address=IPv4Address("10.89.77.16"),
            group="reconstruction",
            file_store=PurePosixPath("/mnt/beamline"),
        ),
    ),
)
