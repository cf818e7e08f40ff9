"""What a site says where its services are containers of one machine."""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import Field

from tomobeam_deploy.site.faults import Strict

# Host, port where it is not the usual one, and folders in it, as runtimes write them.
_FOLDER = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)+")


class Runtime(StrEnum):
    """Which program runs the containers."""

    PODMAN = "podman"
    DOCKER = "docker"


class Database(StrEnum):
    """Where Tiled and Prefect keep what they know."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


def folder_of_a_registry(name: str) -> str:
    """The same name, if it is one.

    Raises:
        ValueError: it is none.
    """
    if not _FOLDER.fullmatch(name):
        raise ValueError(
            f"{name!r} is no folder of a registry; name it as registry.example.org/tomobeam, "
            "without https:// and without a tag"
        )
    return name


class Containers(Strict):
    """Every service in a container of its own, on one network, where its name is its host.

    `Site.address` is then the machine's address on which their ports are published.
    """

    runtime: Runtime = Runtime.PODMAN
    database: Database = Database.SQLITE
    user: str | None = Field(
        default=None,
        pattern=r"^\d+:\d+$",
        description="user and group that own the data, where the runtime is called without root",
    )
    selinux: bool = Field(
        default=True,
        description="confined where the machine has SELinux; the data then has to bear its label",
    )


def project_name(site: str) -> str:
    """By which the runtime tells a site's containers from others; so is their network named."""
    return f"tomobeam-{site}"


def host_name(service: str) -> str:
    """The host name of a service's container, from the name of its port."""
    return service.replace("_", "-")
