"""A beamline's hosts on one machine, to deploy to: real systemd, sshd, addresses, no way out.

from tomobeam_deploy import lab

for access in lab.hosts().values():
    print(access.name, access.address, access.groups, access.key, access.known_hosts)
lab.run("storage", "systemctl is-active ssh", root=True).stdout
"""

from tomobeam_deploy.lab.access import Access, hosts, reboot, run, ssh_command, start, stop
from tomobeam_deploy.lab.model import CannotRunHere, Lab, LabError, LabHost
from tomobeam_deploy.lab.state import running

__all__ = [
    "Access",
    "CannotRunHere",
    "Lab",
    "LabError",
    "LabHost",
    "hosts",
    "reboot",
    "run",
    "running",
    "ssh_command",
    "start",
    "stop",
]
