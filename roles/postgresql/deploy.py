"""PostgreSQL on the control host: Debian's cluster `main`, a role for each service that has data.

No password comes to the host, only what PostgreSQL proves passwords by.
"""

from __future__ import annotations

from functools import partial

from roles.certificates.deploy import key_file
from roles.postgresql.service import CLUSTER, PROGRAMS, ROLES, SERVICE, VERSION, settings
from tomobeam_deploy.catalogue import services_on_hosts
from tomobeam_deploy.hosts.resources import (
    Answers,
    Command,
    File,
    Folder,
    Overrides,
    Resource,
    Unit,
    Written,
)
from tomobeam_deploy.hosts.target import CERTIFICATE, ETC, Target
from tomobeam_deploy.hosts.unit_files import verify_drop_in
from tomobeam_deploy.renderers.hardening import sandbox
from tomobeam_deploy.renderers.systemd import UNITS, overriding, recording
from tomobeam_deploy.scram import role_verifier
from tomobeam_deploy.site import Group, Site
from tomobeam_deploy.site.hosts import HOLDERS
from tomobeam_deploy.templates import render_names

GROUPS = (Group.CONTROL,)
PACKAGES = SERVICE.debian_packages

USER = "postgres"
# Debian's umbrella, through which its clusters start with the host.
UMBRELLA = "postgresql.service"
UNIT = f"postgresql@{VERSION}-main.service"
DATA = f"/var/lib/postgresql/{VERSION}/main"
CLUSTER_WRITTEN = Written(DATA, "folder, with the cluster: databases and roles")
SETTINGS = f"{CLUSTER}/postgresql.conf"
# What ALTER SYSTEM writes; it would overrule the settings.
OVERRULING = f"{DATA}/postgresql.auto.conf"
ACCESS = f"{CLUSTER}/pg_hba.conf"
SANDBOX = f"{UNITS}/{UNIT}.d/50-tomobeam.conf"
KEY = str(ETC / "postgresql/host.key")
# All that decides what the server is when it starts.
READS = (*overriding(UNIT), SETTINGS, OVERRULING, ACCESS, KEY, str(CERTIFICATE))
QUERY = "psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1"


def configure(target: Target) -> list[Resource]:
    """A cluster with checksums, its settings, who may log in from where, and its sandbox."""
    names = _names(target)
    own = partial(_file, names, owner=USER, group=USER)
    return [
        # Debian's package makes its cluster without; they can be had while it does not run.
        Command(
            name="checksums of PostgreSQL's pages",
            check=f"{PROGRAMS}/pg_controldata {DATA} | grep -q '^Data page checksum.*[1-9]$'",
            apply=f"systemctl stop {UNIT} && "
            f"runuser -u {USER} -- {PROGRAMS}/pg_checksums --enable {DATA}",
            writes=(CLUSTER_WRITTEN,),
        ),
        Folder(str(ETC / "postgresql")),
        key_file(target, KEY, USER),
        own(SETTINGS, validate=_trial("config_file", names)),
        own(OVERRULING, mode=0o600),
        own(ACCESS, mode=0o640, validate=_trial("hba_file", names)),
        Overrides(UMBRELLA),
        Overrides(UNIT, (SANDBOX,)),
        _file(names, SANDBOX, validate=verify_drop_in(UNIT)),
    ]


def activate(target: Target) -> list[Resource]:
    """The cluster runs with what was configured."""
    reloaded = (
        "SELECT 'may have read other files than these since its start' "
        "WHERE pg_conf_load_time() > pg_postmaster_start_time()"
    )
    # One that recovers answers nothing, and is not to begin anew.
    ask = f'cd / && runuser -u {USER} -- {QUERY} --command="{reloaded}" || true'
    return [
        Unit(UMBRELLA),
        Unit(UNIT, files=READS),
        Command(
            name=f"{UNIT}: what it has read",
            check=nothing(ask),
            apply=f"systemctl restart {UNIT}",
        ),
        Answers(f"tcp://{target.host.address}:{target.site.ports.postgresql}", UNIT),
    ]


def provision(target: Target) -> list[Resource]:
    """Roles and databases exist, with the rights that they need and no others."""
    verifiers = {
        role: role_verifier(target.secret(f"db-{role}"), role) for role in clients(target.site)
    }
    names = _names(target) | {"verifiers": verifiers}
    # By standard input, for it holds the verifiers; neither errors nor the log cite it.
    run = (
        f"cd / && PGOPTIONS='-c log_min_error_statement=panic' {QUERY} --set=VERBOSITY=terse "
        "--file=- --set=apply={} postgres"
    )
    return [
        Command(
            name="databases and roles",
            check=nothing(run.format(0)),
            apply=run.format(1),
            user=USER,
            stdin=render_names("postgresql/databases.sql.j2", names),
            writes=(CLUSTER_WRITTEN,),
        )
    ]


def clients(site: Site) -> dict[str, list[str]]:
    """From which addresses each role logs in: those of the hosts with a service that has it."""
    found: dict[str, set[str]] = {role: set() for role in ROLES}
    for service in services_on_hosts(site).values():
        if service.database_role:
            hosts = site.members(HOLDERS[service.account])
            addresses = [site.hosts[name].address for name in hosts]
            found[service.database_role] |= {f"{a}/{a.max_prefixlen}" for a in addresses}
    return {role: sorted(addresses) for role, addresses in found.items()}


def _names(target: Target) -> dict[str, object]:
    site = target.site
    return settings(site) | {
        "debian": True,
        "address": target.host.address,
        "listens_on": f"{target.host.address}, 127.0.0.1",
        "sockets": "/run/postgresql",
        "local": "peer",
        "user": USER,
        "unit": UNIT,
        "data": DATA,
        "settings": SETTINGS,
        "access": ACCESS,
        "certificate": CERTIFICATE,
        "key": KEY,
        "clients": clients(site),
        "recording": recording(UNIT, READS),
        "sandbox": sandbox(site),
    }


def _file(names: dict[str, object], path: str, **more: object) -> File:
    return File.text(path, render_names(f"postgresql{path}.j2", names), **more)


def _trial(setting: str, names: dict[str, object]) -> tuple[str, ...]:
    """PostgreSQL itself is started with a candidate, in an empty cluster that nobody can reach."""
    script = render_names("postgresql/trial.sh.j2", names | {"setting": setting})
    return ("sh", "-c", script, "PostgreSQL", "{}")


def nothing(command: str) -> str:
    """Shell that is content where a command prints nothing."""
    return f'said=$({command}) && [ -z "$said" ] || {{ echo "$said"; exit 1; }}'
