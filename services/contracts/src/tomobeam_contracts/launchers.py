"""How jobs may be launched: what the site says, and each worker is told.

A kind that is absent is not offered. What a client may wish beyond the registry, such as a mount
or a partition, is listed here; a wish that is not listed is refused.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from tomobeam_contracts.flow import FlowType
from tomobeam_contracts.wire import Wire

Positive = Annotated[int, Field(gt=0)]
Cdi = Annotated[str, Field(pattern=r"^[^/=\s]+/[^/=\s]+=[^/=\s]+$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


# Where a deploy has the podman of the worker's own user listen.
DEPLOYED_SOCKET = Path("/run/tomobeam-podman/podman.sock")


class Limits(Wire):
    """What one job may take; where absent, the host or the partition limits it."""

    memory_mib: Positive | None = None
    cpus: Annotated[float, Field(gt=0)] | None = None
    max_time_s: Positive | None = Field(default=None, description="from start to end")


class ProcessJobs(Wire):
    """Jobs as processes of the worker's host, under the worker's own limits."""


class ContainerJobs(Wire):
    """Jobs in containers, through the runtime's API socket."""

    socket: Path = Field(
        default=DEPLOYED_SOCKET,
        description="podman's or docker's API; the default is that of the podman which a deploy "
        "makes for the worker's own user",
    )
    network: str = Field(
        default="host", description="of every job, and the only one that a client may name"
    )
    mounts: tuple[Path, ...] = Field(
        default=(), description="folders below which a client may ask for read-only mounts"
    )
    env_vars: tuple[Variable, ...] = Field(
        default=(), description="names of the environment variables that a client may set"
    )
    gpus: tuple[Cdi, ...] = Field(
        default=(), description="CDI names; each is one job's at a time (nvidia.com/gpu=0)"
    )
    limits: Limits = Limits()


class SlurmJobs(Wire):
    """Jobs of a batch system, on folders that its nodes share with the worker."""

    partitions: tuple[str, ...] = Field(min_length=1, description="the first is the default")
    reservations: tuple[str, ...] = ()
    account: str | None = None
    max_nodes: Positive = 1
    controllers: tuple[IPv4Address | IPv6Address, ...] = Field(
        default=(), description="hosts of Slurm's controller that are none of the site's"
    )
    shared: Path = Field(description="a folder of the worker's user that every node sees")
    job_bin: Path = Field(description="the folder that holds the jobs' commands on the nodes")
    env_vars: tuple[Variable, ...] = Field(
        default=(), description="names of the environment variables that a client may set"
    )
    gpu_request: str | None = Field(
        default="gpu:1", description="Slurm's --gres of a GPU algorithm; None: no node has a GPU"
    )
    limits: Limits = Limits(max_time_s=3600)


class EnvironmentJobs(Wire):
    """Jobs as processes in Python environments that are there already, such as conda's."""

    environments: dict[str, Path] = Field(
        min_length=1, description="by name; commands are below bin/"
    )
    default: str | None = Field(default=None, description="where a client names none")
    env_vars: tuple[Variable, ...] = Field(
        default=(), description="names of the environment variables that a client may set"
    )
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _default_is_known(self) -> EnvironmentJobs:
        if self.default is not None and self.default not in self.environments:
            known = ", ".join(self.environments)
            raise ValueError(f"default: {self.default!r} is none of: {known}")
        return self


class Launchers(Wire):
    """The kinds of jobs that a worker runs."""

    process: ProcessJobs | None = ProcessJobs()
    podman: ContainerJobs | None = None
    docker: ContainerJobs | None = None
    slurm: SlurmJobs | None = None
    conda: EnvironmentJobs | None = None

    @model_validator(mode="after")
    def _docker_has_a_socket_of_its_own(self) -> Launchers:
        if self.docker is not None and self.docker.socket == DEPLOYED_SOCKET:
            raise ValueError("docker.socket: missing; name docker's own, such as /run/docker.sock")
        return self

    @model_validator(mode="after")
    def _gpus_are_listed_once(self) -> Launchers:
        gpus = [gpu for kind in self.in_containers for gpu in kind.gpus]
        for gpu in gpus:
            if gpus.count(gpu) > 1:
                raise ValueError(f"gpus: {gpu} is listed twice, and would have two jobs at a time")
        return self

    def to_setting(self) -> str:
        """As JSON, for the worker's settings."""
        return self.model_dump_json(exclude_defaults=True)

    @property
    def deployed_podman(self) -> bool:
        """Whether jobs run in the podman that a deploy makes."""
        return self.podman is not None and self.podman.socket == DEPLOYED_SOCKET

    @property
    def in_containers(self) -> tuple[ContainerJobs, ...]:
        """The kinds that go through a runtime's API."""
        return tuple(kind for kind in (self.podman, self.docker) if kind is not None)

    @property
    def offered(self) -> frozenset[FlowType]:
        """The kinds that are not absent."""
        return frozenset(kind for kind in FlowType if getattr(self, kind.value) is not None)
