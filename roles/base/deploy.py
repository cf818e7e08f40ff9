"""What every host is before it is anything else: names, logins, clock, logs."""

from tomobeam_deploy.hosts.resources import (
    Answers,
    Command,
    File,
    Folder,
    Masked,
    Resource,
    SharedGroup,
    Unit,
    Written,
)
from tomobeam_deploy.hosts.target import ETC, OPT, SHARED_GROUP, Target
from tomobeam_deploy.hosts.unit_files import verify_drop_in
from tomobeam_deploy.renderers.systemd import STARTED, UNITS, recording
from tomobeam_deploy.site import Group, Site
from tomobeam_deploy.templates import render_names

GROUPS = tuple(Group)

SSH_UNIT = "ssh.service"
SSHD = "/etc/ssh/sshd_config.d/00-tomobeam.conf"
JOURNAL_UNIT = "systemd-journald.service"
JOURNAL = "/etc/systemd/journald.conf.d/50-tomobeam.conf"
CLOCK_UNIT = "chrony.service"
CLOCK = "/etc/chrony/chrony.conf"
# What downloads by itself, on hosts without a way out.
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
# A check that only a person can make good: applying it says the same again.
BY_A_PERSON = ":"


def _packages(target: Target) -> tuple[str, ...]:
    clock = ("chrony",) if target.site.time_servers else ()
    return (*clock, *target.host.packages)


PACKAGES = _packages


def install(target: Target) -> list[Resource]:
    """The folders and the group that all services share, and names that lead to every host."""
    site = target.site
    return [
        SharedGroup(SHARED_GROUP, site.accounts.shared),
        Folder(str(ETC)),
        Folder(str(OPT)),
        Folder(str(site.data.state)),
        *([_hosts_file(site)] if site.hosts_file else []),
        Command(
            "names of the hosts", render_names("base/names.sh.j2", {"site": site}), BY_A_PERSON
        ),
        *(Masked(timer) for timer in TIMERS),
    ]


def configure(target: Target) -> list[Resource]:
    """Logins, logs and, where the site has time servers, the clock."""
    site = target.site
    lets_operator_in = render_names("base/sshd_lets_operator_in.sh.j2", {})
    return [
        File.text(
            SSHD,
            render_names(f"base{SSHD}.j2", {}),
            validate=("sh", "-c", lets_operator_in, "sshd", "{}"),
        ),
        _drop_in(SSH_UNIT, SSHD, ("ExecStartPre", "ExecReload")),
        File.text(JOURNAL, render_names(f"base{JOURNAL}.j2", {})),
        _drop_in(JOURNAL_UNIT, JOURNAL),
        *(
            [
                File.text(CLOCK, render_names(f"base{CLOCK}.j2", {"site": site})),
                _drop_in(CLOCK_UNIT, CLOCK),
            ]
            if site.time_servers
            else []
        ),
    ]


def activate(target: Target) -> list[Resource]:
    """All of it is what runs."""
    site = target.site
    return [
        _sshd_runs(),
        Answers(f"tcp://{target.host.address}:{site.ports.ssh}", SSH_UNIT),
        Unit(JOURNAL_UNIT, files=_reads(JOURNAL_UNIT, JOURNAL)),
        *([Unit(CLOCK_UNIT, files=_reads(CLOCK_UNIT, CLOCK))] if site.time_servers else []),
    ]


def _hosts_file(site: Site) -> Command:
    template = "base/hosts.sh.j2"
    return Command(
        name="/etc/hosts",
        check=render_names(template, {"site": site, "write": False}),
        apply=render_names(template, {"site": site, "write": True}),
        writes=(Written("/etc/hosts", "at its head the names of all hosts"),),
    )


def _drop_in_path(unit: str) -> str:
    return f"{UNITS}/{unit}.d/50-tomobeam.conf"


def _reads(unit: str, *files: str) -> tuple[str, ...]:
    return (_drop_in_path(unit), *files)


def _drop_in(unit: str, file: str, when: tuple[str, ...] = ("ExecStartPre",)) -> File:
    """By which a unit of Debian's records what it reads."""
    record = recording(unit, _reads(unit, file)).partition("=")[2]
    lines = ["[Service]", *(f"{key}={record}" for key in when), ""]
    return File.text(_drop_in_path(unit), "\n".join(lines), validate=verify_drop_in(unit))


def _sshd_runs() -> Command:
    """A reload, which no connection notices; a restart with a wrong file would leave no sshd."""
    names = {"files": _reads(SSH_UNIT, SSHD), "record": f"{STARTED}/{SSH_UNIT}"}
    return Command(
        name=f"{SSH_UNIT} runs",
        check=render_names("base/sshd_runs.sh.j2", names),
        apply=f"systemctl daemon-reload && systemctl reload {SSH_UNIT}",
        writes=(Written(f"{STARTED}/{SSH_UNIT}", "with what it was started or reloaded"),),
    )
