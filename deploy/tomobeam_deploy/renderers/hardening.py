"""The sandbox that systemd puts around every unit of ours (`systemd-analyze security`)."""

from __future__ import annotations

from tomobeam_deploy.service import Process
from tomobeam_deploy.site import Site

_ALWAYS = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
    "RemoveIPC=yes",
    "KeyringMode=private",
    "UMask=0027",
    "IPAddressDeny=any",
)


def sandbox(site: Site) -> list[str]:
    """The lines for the section [Service] of any unit; it says after them what it needs besides."""
    peers = " ".join(str(host.address) for host in site.hosts.values())
    return [*_ALWAYS, f"IPAddressAllow=localhost {peers}".rstrip()]


def hardening(process: Process) -> list[str]:
    """The lines for the section [Service] of a process's unit."""
    service = process.service
    return [
        *sandbox(process.placement.site),
        *_controllers_of_jobs(process),
        # What compiles code while it runs needs memory that is writable, then executable.
        f"MemoryDenyWriteExecute={'no' if service.writes_code else 'yes'}",
        f"MemoryMax={service.memory_mib}M",
        f"TasksMax={service.tasks}",
    ]


def _controllers_of_jobs(process: Process) -> list[str]:
    """Slurm's, which need not be hosts of the site."""
    place = process.placement
    slurm = place.site.launchers_on(place.worker_name).slurm
    if not (process.service.launches_jobs and slurm and slurm.controllers):
        return []
    return [f"IPAddressAllow={' '.join(map(str, slurm.controllers))}"]
