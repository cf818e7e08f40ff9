"""Whether this machine can run a lab, and what it lacks for that."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from ipaddress import IPv4Interface

import psutil

from tomobeam_deploy.lab.model import CannotRunHere, Lab, LabError

# Program → the Debian package that brings it.
NEEDED = {
    "podman": "podman",
    "runc": "runc",
    "conmon": "conmon",
    "/usr/lib/podman/netavark": "netavark",
    "iptables": "iptables",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}


def missing_packages(needed: dict[str, str] = NEEDED) -> list[str]:
    """The Debian packages whose programs this machine lacks."""
    return sorted({package for program, package in needed.items() if not shutil.which(program)})


def prepare_machine() -> None:
    """Install what is missing.

    Raises:
        CannotRunHere: no root, no Linux, or no apt-get to install from.
        LabError: apt-get fails.
    """
    if sys.platform != "linux":
        raise CannotRunHere("the lab needs Linux: its hosts are containers with systemd")
    missing = missing_packages()
    if os.geteuid() != 0:
        also = f", and these Debian packages: {' '.join(missing)}" if missing else ""
        raise CannotRunHere(
            f"the lab needs root, because its hosts are privileged containers; "
            f"run it with sudo or in a virtual machine of your own{also}"
        )
    if not missing:
        return
    install_packages(missing)
    if missing := missing_packages():
        raise CannotRunHere(f"the lab lacks {' '.join(missing)}, although apt-get installed it")


def check_network(lab: Lab) -> None:
    """See that the lab's network is not one that this machine is in already.

    Raises:
        LabError: it is; names the interface.
    """
    for interface, addresses in psutil.net_if_addrs().items():
        for address in addresses:
            if address.family != socket.AF_INET or address.address == str(lab.gateway):
                continue
            own = IPv4Interface(f"{address.address}/{address.netmask}")
            if own.network.overlaps(lab.subnet):
                raise LabError(
                    f"{lab.inventory}: the hosts' network {lab.subnet} is that of this machine's "
                    f"{interface} ({own}); rehearse on another machine, or with other addresses"
                )


def install_packages(packages: list[str]) -> None:
    """Install Debian packages on this machine.

    Raises:
        CannotRunHere: there is no apt-get.
        LabError: apt-get fails; with its last line.
    """
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise CannotRunHere(
            f"the lab lacks {' '.join(packages)}, and this is no Debian to install it on"
        )
    sys.stderr.write(f"installing {' '.join(packages)} …\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], [*command.split(), "-y"]):
        done = subprocess.run(
            step, env=environment, capture_output=True, text=True, check=False, errors="replace"
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
            raise LabError(f"{' '.join(step)}: {last}; install by hand: {command}")
