"""No role writes a unit, or what is added to one of Debian's, that systemd has not judged."""

from __future__ import annotations

from pathlib import PurePath

from roles.order import ALL
from roles.podman.deploy import USER_UNITS
from tests.unit.roles.beamline import load
from tests.unit.roles.named_secrets import target
from tomobeam_deploy.hosts.deploy import is_for
from tomobeam_deploy.hosts.resources import File
from tomobeam_deploy.renderers.systemd import UNITS
from tomobeam_deploy.site import ContainerJobs, Launchers


def test_every_unit_file_is_verified() -> None:
    podman = Launchers(podman=ContainerJobs())
    site = load(time_servers=("ntp.example.org",), launchers=podman)
    hosts = [target(site, name) for name in site.hosts]
    written = [
        resource
        for host in hosts
        for role in ALL
        if hasattr(role, "configure") and is_for(role, host)
        for resource in role.configure(host)
    ]
    files = [f for f in written if isinstance(f, File) and f.path.startswith((UNITS, USER_UNITS))]
    names = {PurePath(file.path).parent.name for file in files}
    assert {"system", "user", "caddy.service.d", "chrony.service.d", "ssh.service.d"} <= names
    assert [file.path for file in files if "systemd-analyze" not in file.validate] == []
