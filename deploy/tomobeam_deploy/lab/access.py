"""How other code reaches the lab's hosts, and what it may do to them."""

from __future__ import annotations

import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tomobeam_deploy.lab.hosts import ASK_AGAIN_S, START_LIMIT_S, wait_for
from tomobeam_deploy.lab.model import LabError
from tomobeam_deploy.lab.podman import last_line, podman
from tomobeam_deploy.lab.state import KEY, KNOWN_HOSTS, SSH_CONFIG, SUDO_PASSWORD, running
from tomobeam_deploy.site import Group

RUN_LIMIT_S = 300.0


@dataclass(frozen=True)
class Access:
    """Everything that a client of SSH needs for one host."""

    name: str
    address: str
    groups: frozenset[Group]
    user: str
    key: Path
    known_hosts: Path
    ssh_config: Path
    sudo_password: Path
    """A file; the lab's sudo asks only after /etc/sudoers.d/50-lab was removed on the host."""
    file_store: Path | None
    port: int = 22


def hosts() -> dict[str, Access]:
    """Every host of the lab by name, whether it runs or not."""
    lab = running()
    return {
        host.name: Access(
            name=host.name,
            address=str(host.address),
            groups=host.groups,
            user=lab.user,
            key=KEY,
            known_hosts=KNOWN_HOSTS,
            ssh_config=SSH_CONFIG,
            sudo_password=SUDO_PASSWORD,
            file_store=host.file_store,
        )
        for host in lab.hosts
    }


def ssh_command(name: str, *command: str) -> list[str]:
    """The argv that runs a command on a host as the operator, or logs in.

    Raises:
        LabError: no such host, or no lab was ever started from this checkout.
    """
    host = running().host(name)
    if not SSH_CONFIG.exists():
        raise LabError(f"{SSH_CONFIG} is missing: start the lab first, by: make lab")
    return ["ssh", "-F", str(SSH_CONFIG), host.name, *(["--", *command] if command else [])]


def run(
    name: str,
    command: str,
    *,
    root: bool = False,
    stdin: bytes = b"",
    limit_s: float = RUN_LIMIT_S,
) -> subprocess.CompletedProcess[bytes]:
    """Run a shell command on a host over SSH; its exit code is the caller's to judge.

    Raises:
        LabError: no such host, no SSH connection, or no end within `limit_s`.
    """
    remote = f"sudo --non-interactive sh -c {shlex.quote(command)}" if root else command
    try:
        done = subprocess.run(
            ssh_command(name, remote),
            input=stdin,
            capture_output=True,
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{name}: {command!r} does not end within {limit_s:.0f} s") from error
    if done.returncode == 255:
        raise LabError(f"{name}: {done.stderr.decode(errors='replace').strip()}")
    return done


def stop(name: str) -> None:
    """Take a host away at once, as by its power switch."""
    podman("kill", running().host(name).container)


def start(name: str) -> None:
    """Bring a host back, with its address and disks, and wait until one can log in."""
    host = running().host(name)
    podman("start", host.container)
    wait_for(host)


def reboot(name: str, limit_s: float = START_LIMIT_S) -> None:
    """Have a host reboot itself, and wait until one can log in again.

    Raises:
        LabError: it does not go down, or does not come up, within `limit_s`.
    """
    host = running().host(name)
    before = _first_process(host.container)
    # It may be gone before podman learns how this ended.
    podman("exec", host.container, "systemctl", "--no-block", "reboot", check=False)
    deadline = time.monotonic() + limit_s
    while _first_process(host.container) in (before, "0"):
        if time.monotonic() > deadline:
            raise LabError(f"{name} does not reboot within {limit_s:.0f} s")
        time.sleep(ASK_AGAIN_S)
    wait_for(host)


def _first_process(container: str) -> str:
    """The process id of the host's systemd on this machine, "0" while there is none."""
    return last_line(podman("inspect", "--format", "{{.State.Pid}}", container).stdout)
