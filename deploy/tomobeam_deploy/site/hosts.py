"""The hosts of a site: where they are, what they are for, who owns what on them."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tomobeam_contracts.launchers import Launchers
from tomobeam_deploy.site.faults import Strict

Port = Annotated[int, Field(gt=0, lt=65536)]
Network = IPv4Network | IPv6Network
# Debian gives its own accounts numbers below 1000 and people's from there on.
Uid = Annotated[int, Field(ge=1000, lt=60000)]
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
HostName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9.-]*[a-z0-9])?$")]


class Group(StrEnum):
    """What a host is for; a host may be in several."""

    CONTROL = "control"
    STORAGE = "storage"
    COMPUTE = "compute"
    WEB = "web"
    RECONSTRUCTION = "reconstruction"


# Which group holds a service, by the name of its port or, where it has none, of its account.
HOLDERS = {
    "postgresql": Group.CONTROL,
    "broker": Group.CONTROL,
    "prefect_server": Group.CONTROL,
    "tiled": Group.STORAGE,
    "ingester": Group.STORAGE,
    "worker": Group.COMPUTE,
    "webapp": Group.WEB,
    "reconstruction": Group.RECONSTRUCTION,
}
# Of these there may be several hosts; every other group is one host.
SEVERAL = (Group.COMPUTE, Group.RECONSTRUCTION)


def holder(port_name: str) -> Group | None:
    """The group whose host listens on a port of `Ports`; None: every host does."""
    return HOLDERS.get(port_name.removesuffix("_tls").removesuffix("_http"))


class Opening(Strict):
    """A port of a host on which something listens that is not ours, such as the site's NFS."""

    port: Port
    protocol: Literal["tcp", "udp"] = "tcp"
    sources: tuple[Network, ...] = Field(min_length=1, description="from where it is reached")
    why: str = Field(pattern=r"^[^\n]+$")


class Host(Strict):
    """One machine."""

    address: IPv4Address | IPv6Address = Field(description="by which the others reach it")
    groups: frozenset[Group] = Field(min_length=1)
    file_store: Path | None = Field(
        default=None, description="where this host mounts the file store; None: it does not"
    )
    names: tuple[HostName, ...] = Field(
        default=(), description="further DNS names, for its certificate"
    )
    openings: tuple[Opening, ...] = Field(
        default=(), description="what the firewall lets in besides our own services"
    )
    packages: tuple[PackageName, ...] = Field(
        default=(), description="Debian packages that it has besides ours, such as slurm-client"
    )
    launchers: Launchers | None = Field(
        default=None, description="how this compute host runs jobs, if not as the site says"
    )


class StoreMode(StrEnum):
    """Whose the file store is."""

    MANAGED = "managed"
    EXISTING = "existing"


class FileStore(Strict):
    """The store that reconstructions write and Tiled reads: NFS, GPFS or a disk."""

    path: Path = Field(description="where the storage host mounts it")
    mode: StoreMode = Field(
        default=StoreMode.EXISTING,
        description="managed: its folders are made and given to the reconstruction's account; "
        "existing: nothing on it is created or chowned, as its root may be squashed",
    )
    owner_uid: int | None = Field(
        default=None, description="existing: the number by which the store knows the writer"
    )


class Accounts(Strict):
    """Numbers of our accounts, equal on all hosts, as a shared store wants them."""

    shared: Uid = Field(default=6100, description="the group that may read the file store")
    tiled: Uid = 6101
    ingester: Uid = 6102
    prefect_server: Uid = 6103
    worker: Uid = 6104
    webapp: Uid = 6105
    broker: Uid = 6106
    reconstruction: Uid = 6107

    @model_validator(mode="after")
    def _differ(self) -> Self:
        seen: dict[int, str] = {}
        for name, number in self.model_dump().items():
            if number in seen:
                raise ValueError(f"{name}: {number} is the number of {seen[number]}")
            seen[number] = name
        return self

    @staticmethod
    def name(service: str) -> str:
        """The account's name, from the service's."""
        return f"tomobeam-{service}"
