"""Starting the lab's hosts, and waiting until each is a host one can log in to."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tomobeam_deploy.lab.model import NETWORK, VOLUME, Lab, LabError, LabHost
from tomobeam_deploy.lab.overlay import overlay
from tomobeam_deploy.lab.podman import LABEL, containers, last_line, podman
from tomobeam_deploy.lab.state import SECCOMP, SSH_CONFIG, STATE, SUDO_PASSWORD
from tomobeam_deploy.site import Group

START_LIMIT_S = 180.0
SSH_LIMIT_S = 60.0
# systemd and sshd announce nothing to the outside before they answer, so they are asked.
ASK_AGAIN_S = 0.2
AT_ONCE = 3


@dataclass(frozen=True)
class HostState:
    """How a host is: systemd's own word, and whether the operator can log in."""

    host: LabHost
    state: str
    ssh: bool
    seconds: float = 0.0

    @property
    def well(self) -> bool:
        """Whether one can deploy to it."""
        return self.ssh and self.state in ("running", "degraded")


def create_hosts(image: str, lab: Lab) -> list[HostState]:
    """Create network, volume and hosts, and wait for each.

    Raises:
        LabError: podman refuses, or a host does not come up in time.
    """
    podman(
        # Without a resolver: podman's own would pass questions on to the outside.
        *("network", "create", "--internal", "--disable-dns"),
        *(f"--subnet={lab.subnet}", f"--gateway={lab.gateway}", NETWORK),
    )
    podman("volume", "create", VOLUME)
    # systemd on several hosts at once saturates a small machine; more than a few gain nothing.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        states = list(pool.map(lambda host: _create(host, image, lab), lab.hosts))
    _make_folders(lab)
    return states


def _create(host: LabHost, image: str, lab: Lab) -> HostState:
    name, began = host.container, time.monotonic()
    volume = [f"--volume={VOLUME}:{host.file_store}"] if host.file_store else []
    podman(
        *("create", f"--name={name}", f"--hostname={host.name}", f"--label={LABEL}={STATE}"),
        *("--privileged", "--systemd=always", f"--security-opt=seccomp={SECCOMP}"),
        *(f"--network={NETWORK}:ip={host.address}", "--no-hosts", "--dns=none"),
        # What makes `systemctl reboot` in a host a reboot.
        "--restart=always",
        *volume,
        image,
    )
    podman("cp", "--archive=false", "-", f"{name}:/", stdin=overlay(host, lab))
    podman("start", name)
    wait_for(host)
    password = SUDO_PASSWORD.read_text(encoding="utf-8").strip()
    podman("exec", "--interactive", name, "chpasswd", stdin=f"{lab.user}:{password}\n".encode())
    seconds = time.monotonic() - began
    state = host_state(host)
    return HostState(host, state.state, state.ssh, seconds)


def _make_folders(lab: Lab) -> None:
    """Have the keeper of a store that exists make the folders on it."""
    keeper = next(host for host in lab.hosts if Group.STORAGE in host.groups)
    for folder in lab.folders:
        owner = (f"--owner={folder.owner}", f"--group={folder.group}", f"--mode={folder.mode:o}")
        podman("exec", keeper.container, "install", "--directory", *owner, str(folder.path))


def wait_for(host: LabHost, limit_s: float = START_LIMIT_S) -> None:
    """Wait until systemd has started everything and sshd lets the operator in.

    Raises:
        LabError: it does not within `limit_s`; with what was last seen.
    """
    deadline = time.monotonic() + limit_s
    asked = _systemd(host, deadline)
    while asked not in ("running", "degraded"):
        if time.monotonic() > deadline:
            raise LabError(f"{host.name}: systemd is {asked or 'silent'} after {limit_s:.0f} s")
        time.sleep(ASK_AGAIN_S)
        asked = _systemd(host, deadline)
    deadline = time.monotonic() + SSH_LIMIT_S
    while fault := _ssh_fault(host):
        if time.monotonic() > deadline:
            raise LabError(f"{host.name}: no SSH {SSH_LIMIT_S:.0f} s after systemd: {fault}")
        time.sleep(ASK_AGAIN_S)


def _systemd(host: LabHost, deadline: float) -> str:
    left = max(1.0, deadline - time.monotonic())
    asked = podman(
        *("exec", host.container, "systemctl", "is-system-running", "--wait"),
        check=False,
        limit_s=left,
    )
    return last_line(asked.stdout)


def _ssh_fault(host: LabHost) -> str:
    done = subprocess.run(
        ["ssh", "-F", str(SSH_CONFIG), "-n", host.name, "true"], capture_output=True, check=False
    )
    return last_line(done.stderr) or "refused" if done.returncode else ""


def host_state(host: LabHost) -> HostState:
    """How a host is at this moment."""
    container = containers().get(host.container)
    if container is None:
        return HostState(host, "absent", False)
    if container.state != "running":
        return HostState(host, container.state, False)
    asked = podman("exec", container.name, "systemctl", "is-system-running", check=False)
    return HostState(host, last_line(asked.stdout) or "silent", not _ssh_fault(host))
