"""What tests do to the lab's hosts and ask of them, at their consoles.

A console works where SSH, the firewall or sudo do not, and is quick enough to meet a deploy on its
way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from shlex import quote
from typing import Any

from tomobeam_deploy import lab
from tomobeam_deploy.lab.podman import podman
from tomobeam_deploy.site import Site

PROGRAMS = Path(__file__).parent / "programs"
UNITS = "'tomobeam-*' caddy.service postgresql@15-main.service ssh.service"


def at(host: str, command: str, *, stdin: bytes = b"", ok: int | None = 0) -> str:
    """What a shell command prints that root runs on a host; its exit code must be `ok`."""
    container = lab.running().host(host).container
    done = podman(
        *("exec", "--interactive", container, "sh", "-c", command), stdin=stdin, check=False
    )
    said = f"{host}: {command}: {done.returncode}: {done.stderr.decode(errors='replace')}"
    assert ok is None or done.returncode == ok, said
    return done.stdout.decode().strip()


def state(host: str) -> dict[str, Any]:
    """What deploys have made of it, as programs/state.py says."""
    return json.loads(at(host, "python3 -", stdin=(PROGRAMS / "state.py").read_bytes()))


def states(hosts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The same of several, by host."""
    return {host: state(host) for host in hosts}


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Of two states what is not equal, as both are."""
    found: dict[str, Any] = {}
    for key in before.keys() | after.keys():
        one, other = before.get(key), after.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            if inner := difference(one, other):
                found[key] = inner
        elif one != other:
            found[key] = (one, other)
    return found


def runs(host: str) -> dict[str, str]:
    """By unit what systemd calls this run of it; another run has another name."""
    printed = at(host, f"systemctl show --property=Id --property=InvocationID {UNITS}")
    blocks = [dict(line.split("=", 1) for line in b.splitlines()) for b in printed.split("\n\n")]
    return {block["Id"]: block["InvocationID"] for block in blocks}


def executed(hosts: Iterable[str], what: Callable[[], object]) -> dict[str, int]:
    """How many commands each host was given by SSH while something was done, as sudo counts."""
    came = "journalctl --identifier=sudo --no-pager --output=cat | grep -c COMMAND= || true"
    before = {host: int(at(host, came)) for host in hosts}
    what()
    return {host: int(at(host, came)) - count for host, count in before.items()}


def rows(site: Site, database: str, query: str) -> list[str]:
    """What PostgreSQL's superuser is told, a line for each row."""
    psql = f"psql --no-psqlrc --tuples-only --no-align --dbname={database}"
    command = f"cd / && runuser -u postgres -- {psql} --command={quote(query)}"
    return at(site.host_of("postgresql"), command).splitlines()


def nodes(site: Site) -> set[str]:
    """Every node of Tiled's tree: id, parent and key."""
    return set(rows(site, "tiled_catalog", "select id, parent, key from nodes"))


def flow_runs(site: Site, *states: str) -> list[str]:
    """Names of the flow runs in one of these states, or of all."""
    where = f" where state_type in ({', '.join(map(repr, states))})" if states else ""
    return rows(site, "prefect", f"select name from flow_run{where}")


def provisioned(site: Site) -> dict[str, list[str]]:
    """What was made in the databases once: of none there may be two."""
    prefect = ("work_pool", "work_queue", "flow", "deployment", "automation")
    return {
        "roles": rows(site, "postgres", "select rolname from pg_roles order by 1"),
        "databases": rows(site, "postgres", "select datname from pg_database order by 1"),
        "tiled": rows(site, "tiled_catalog", "select key from nodes where parent = 0 order by 1"),
        **{each: rows(site, "prefect", f"select name from {each} order by 1") for each in prefect},
    }
