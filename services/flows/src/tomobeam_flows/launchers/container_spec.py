"""A job's container, as the runtimes' APIs want it: sealed but for what the job needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import docker
from docker.models.containers import Container
from docker.types import DeviceRequest, LogConfig
from docker.types import Mount as ApiMount

from tomobeam_contracts.launchers import Limits
from tomobeam_flows.launchers.container_runtime import create_by_own_api, wants_own_api
from tomobeam_flows.launchers.container_wishes import Mount

MIB = 1 << 20
CPU_PERIOD_US = 100_000
PROCESSES = 4096
OWN_NETWORKS = ("host", "none", "bridge", "slirp4netns", "pasta")
# PyTorch's loaders hand batches on through it.
SHARED_MEMORY = 1 << 30
LONGEST_LOG = 64 * MIB
TEMPORARY = "/tmp"
TEMPORARY_OPTIONS = ["rw", "nosuid", "nodev", "exec", "mode=1777"]


@dataclass(frozen=True)
class ContainerSpec:
    """What is run, by whom, and what it sees."""

    name: str
    image: str
    argv: list[str]
    environment: dict[str, str]
    labels: dict[str, str]
    user: str
    working_folder: str
    network: str
    mounts: list[Mount]
    limits: Limits

    def create(self, client: docker.DockerClient, gpu: str | None) -> Container:
        """Create the container, with a GPU by its CDI name.

        Raises:
            docker.errors.APIError: the runtime refuses.
        """
        if gpu is not None and wants_own_api(client):
            return create_by_own_api(client, self._for_podman(gpu))
        return client.containers.create(**self._for_both(gpu))

    def _for_both(self, gpu: str | None) -> dict[str, Any]:
        limits = self.limits
        memory = limits.memory_mib and limits.memory_mib * MIB
        return {
            "name": self.name,
            "image": self.image,
            "entrypoint": self.argv[:1],
            "command": self.argv[1:],
            "environment": self.environment,
            "labels": self.labels,
            "user": self.user,
            "working_dir": self.working_folder,
            "network_mode": self.network,
            "userns_mode": "host",
            "mounts": [
                ApiMount(str(m.target), str(m.source), "bind", read_only=not m.writable)
                for m in self.mounts
            ],
            "tmpfs": {TEMPORARY: ",".join(TEMPORARY_OPTIONS)},
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "stop_signal": "SIGTERM",
            "pids_limit": PROCESSES,
            "shm_size": SHARED_MEMORY,
            "mem_limit": memory,
            "memswap_limit": memory,
            "nano_cpus": limits.cpus and int(limits.cpus * 1e9),
            "device_requests": gpu and [DeviceRequest(driver="cdi", device_ids=[gpu])],
            "log_config": LogConfig(type="json-file", config={"max-size": str(LONGEST_LOG)}),
        }

    def _for_podman(self, gpu: str) -> dict[str, Any]:
        limits = self.limits
        resources: dict[str, Any] = {"pids": {"limit": PROCESSES}}
        if limits.memory_mib:
            memory = limits.memory_mib * MIB
            resources["memory"] = {"limit": memory, "swap": memory}
        if limits.cpus:
            quota = int(limits.cpus * CPU_PERIOD_US)
            resources["cpu"] = {"quota": quota, "period": CPU_PERIOD_US}
        binds = [
            {
                "type": "bind",
                "source": str(m.source),
                "destination": str(m.target),
                "options": ["rw" if m.writable else "ro"],
            }
            for m in self.mounts
        ]
        temporary = {
            "type": "tmpfs",
            "source": "tmpfs",
            "destination": TEMPORARY,
            "options": TEMPORARY_OPTIONS,
        }
        return {
            "name": self.name,
            "image": self.image,
            "entrypoint": self.argv[:1],
            "command": self.argv[1:],
            "env": self.environment,
            "labels": self.labels,
            "user": self.user,
            "work_dir": self.working_folder,
            **_network(self.network),
            "userns": {"nsmode": "host"},
            "mounts": [*binds, temporary],
            "devices": [{"path": gpu}],
            "read_only_filesystem": True,
            "cap_drop": ["ALL"],
            "no_new_privileges": True,
            "stop_signal": 15,
            "shm_size": SHARED_MEMORY,
            "resource_limits": resources,
            "log_configuration": {"driver": "json-file", "size": LONGEST_LOG},
        }


def _network(name: str) -> dict[str, Any]:
    """A network as podman's own API names it."""
    if name in OWN_NETWORKS:
        return {"netns": {"nsmode": name}}
    return {"netns": {"nsmode": "bridge"}, "networks": {name: {}}}
