"""Renders processes as the services of a compose file (https://compose-spec.io).

Folders have the same paths inside and outside, so that a path in a message, in a job's
parameters or in a mount means the same everywhere.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tomobeam_common.answers import VARIABLE as HEALTH_URL
from tomobeam_deploy.service import Process
from tomobeam_deploy.site import Containers, Runtime, Site, project_name

# What the process was made from, besides the compose file itself; another value, another container.
INPUTS_LABEL = "tomobeam.inputs"
LOOPBACK = "127.0.0.1"
# What a user may have on all containers together; runtimes ask for far more, which a machine that
# is a container itself refuses.
ULIMITS = {"nofile": (resource.RLIMIT_NOFILE, 4096), "nproc": (resource.RLIMIT_NPROC, 8192)}

Spec = dict[str, Any]


def compose_file(
    site: Site,
    processes: Mapping[str, Process],
    images: Mapping[str, str],
    secrets: Path,
    inputs: Mapping[str, str],
) -> Spec:
    """The whole file.

    Args:
        images: the full names, by service.
        secrets: the folder with a file for each secret.
        inputs: a digest of each service's configuration and secrets.
    """
    services: dict[str, Spec] = {}
    for name, process in processes.items():
        common = _common(process, images[name], inputs[name])
        needs = {need: processes[need] for need in process.service.needs}
        services[name] = common | _service(process, needs)
        if process.provision:
            services[provision_name(name)] = common | _provision(process)
    names = {each for service in services.values() for each in service["secrets"]}
    return {
        "name": project_name(site.name),
        "services": services,
        "networks": {"default": {"name": project_name(site.name)}},
        "secrets": {name: {"file": str(secrets / name)} for name in sorted(names)},
    }


def provision_name(service: str) -> str:
    """The container that tells a running service what it has to know, and ends."""
    return f"{service}-provision"


def _common(process: Process, image: str, inputs: str) -> Spec:
    """What a service and its provisioning share: the image, the user, the sandbox."""
    containers = process.placement.site.containers
    assert containers, "a site of containers"
    service = process.service
    return {
        "image": image,
        "labels": {INPUTS_LABEL: inputs},
        **_user(containers, process.placement.site.accounts.shared),
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", *_unconfined(containers)],
        "working_dir": str(process.placement.state),
        "mem_limit": f"{service.memory_mib}m",
        "pids_limit": service.tasks,
        "ulimits": {name: _allowed(kind, wanted) for name, (kind, wanted) in ULIMITS.items()},
        "volumes": _volumes(process),
    }


def _service(process: Process, needs: Mapping[str, Process]) -> Spec:
    service, site = process.service, process.placement.site
    start = ["tomobeam-start", *(f"--wait={need.seen_url}" for need in needs.values())]
    if process.prepare:
        start.append(f"--first={json.dumps(process.prepare)}")
    health = process.health_at(f"http://{LOOPBACK}:{process.port}")
    return {
        "command": _escaped([*start, "--", *process.argv]),
        "environment": _environment(process, process.environment | {HEALTH_URL: health}),
        "secrets": sorted(set(process.credentials.values())),
        "ports": [f"{site.address}:{process.port}:{process.port}"],
        "restart": "unless-stopped",
        "stop_signal": service.stop_signal,
        "stop_grace_period": f"{service.stop_limit_s}s",
    }


def _provision(process: Process) -> Spec:
    command = ["tomobeam-start", f"--wait={process.seen_url}", "--", *process.provision]
    return {
        "command": _escaped(command),
        "environment": _environment(process, process.provision_environment),
        "secrets": sorted(set(process.provision_credentials.values())),
        # The service may be about to lose its database, which is being replaced.
        "restart": "on-failure",
        "healthcheck": {"disable": True},
    }


def _allowed(kind: int, wanted: int) -> int:
    hard = resource.getrlimit(kind)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _environment(process: Process, variables: Mapping[str, str]) -> dict[str, str]:
    given = {"HOME": str(process.placement.state)} | dict(variables)
    return {key: _escape(value) for key, value in sorted(given.items())}


def _volumes(process: Process) -> list[Spec]:
    """What it may change, and to read its configuration, its files and the stacks it serves."""
    place = process.placement
    read = [*([place.config] if process.service.files else []), *process.reads]
    if process.service.reads_store:
        read += place.site.data.readable
    if process.service.launches_jobs:
        read += [jobs.socket for jobs in place.site.launchers.in_containers]
    return [
        *({"type": "bind", "source": str(p), "target": str(p)} for p in process.writable),
        *({"type": "bind", "source": str(p), "target": str(p), "read_only": True} for p in read),
    ]


def _user(containers: Containers, shared: int) -> Spec:
    if containers.user is None:
        return {"user": f"{shared}:{shared}"}
    # podman without root gives the caller's own number another inside, unless told to keep it.
    keep = {"userns_mode": "keep-id"} if containers.runtime is Runtime.PODMAN else {}
    return {"user": containers.user, **keep}


def _unconfined(containers: Containers) -> Sequence[str]:
    return () if containers.selinux else ("label=disable",)


def _escaped(words: Sequence[str]) -> list[str]:
    return [_escape(word) for word in words]


def _escape(text: str) -> str:
    # A dollar would begin a variable of the caller's shell.
    return text.replace("$", "$$")
