"""What is put over the base image to make it one host of the lab, and to protect the machine."""

from __future__ import annotations

from tomobeam_deploy.lab.archive import Archive
from tomobeam_deploy.lab.model import USER_ID, Lab, LabHost
from tomobeam_deploy.lab.state import host_key, public_key
from tomobeam_deploy.templates import TEMPLATES, render_names

# They would act on the machine that holds the lab (clock, kernel, disks, consoles), or reach out.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "hwclock.service",
    "ntp.service",
    "ntpsec.service",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-binfmt.service",
    "systemd-modules-load.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "systemd-udevd.service",
)
# What of /proc is the machine's and not the host's own.
GUARDED = (
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/proc/sys/fs",
    "/proc/sys/dev",
    "/proc/sysrq-trigger",
)

FOLDER = TEMPLATES / "lab" / "host"
MODES = {"etc/sudoers.d/50-lab": 0o440}
UNITS = "etc/systemd/system"


def overlay(host: LabHost, lab: Lab) -> bytes:
    """An archive of a host's keys, operator, neighbours, and the guards of the machine."""
    archive = Archive()
    for template in sorted(FOLDER.rglob("*.j2")):
        path = str(template.relative_to(FOLDER)).removesuffix(".j2")
        text = render_names(str(template.relative_to(TEMPLATES)), {"lab": lab, "guarded": GUARDED})
        archive.file(path, text.encode(), MODES.get(path, 0o644))
    for unit in MASKED:
        archive.link(f"{UNITS}/{unit}", "/dev/null")
    archive.link(f"{UNITS}/sysinit.target.wants/lab-guard.service", "../lab-guard.service")
    key = host_key(host.name)
    archive.file("etc/ssh/ssh_host_ed25519_key", key.read_bytes(), 0o600)
    archive.file("etc/ssh/ssh_host_ed25519_key.pub", key.with_suffix(".pub").read_bytes())
    ssh = f"home/{lab.user}/.ssh"
    archive.folder(ssh, 0o700, USER_ID)
    archive.file(f"{ssh}/authorized_keys", public_key().encode(), 0o600, USER_ID)
    return archive.content()
