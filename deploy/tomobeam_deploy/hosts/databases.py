"""What the databases' host does when a schema changes: shell, run there as root.

Each script may be killed at any point and run again. Dumps are named by database, the revision of
its schema, and the time in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tomobeam_deploy.templates import render_names

FOLDER = "/var/backups/tomobeam"
# Of each database: of every other revision than the one that is dumped.
OTHERS_KEPT = 2
# By which a person measures what a database gained: what, in which table, by which column.
_COUNTED = {
    "tiled_catalog": ("new nodes", "nodes", "time_created"),
    "prefect": ("new flow runs", "flow_run", "created"),
}
_TIME = "%Y%m%dT%H%M%S.%fZ"
_DUMP = re.compile(
    r".*/(?P<database>[a-z_]+)-(?P<revision>\w+)-(?P<time>\d{8}T\d{6}\.\d{3}Z)\.dump"
)


@dataclass(frozen=True)
class Dump:
    """A database as it once was."""

    path: str
    database: str
    revision: str
    time: datetime

    @classmethod
    def of(cls, path: str) -> Dump | None:
        """What a file's name says; None where it is none of ours."""
        found = _DUMP.fullmatch(path)
        if found is None:
            return None
        time = datetime.strptime(found["time"], _TIME).replace(tzinfo=UTC)
        return cls(path, found["database"], found["revision"], time)


@dataclass(frozen=True)
class Contents:
    """What a host has of databases, and of their dumps."""

    revisions: Mapping[str, str | None]
    """of each schema; None: the database is empty"""
    dumps: tuple[Dump, ...]

    @classmethod
    def read(cls, said: str) -> Contents:
        """What `state_script` printed."""
        lines = said.splitlines()
        words = [line.partition(" ") for line in lines if not line.startswith("/")]
        dumps = [Dump.of(line) for line in lines if line.startswith("/")]
        return cls(
            {name: revision or None for name, _, revision in words},
            tuple(dump for dump in dumps if dump),
        )

    def dumps_of(self, revisions: Mapping[str, str]) -> dict[str, Dump]:
        """The newest dumps of several databases, taken together when they had these revisions.

        Returns:
            By database; empty where there are none.
        """
        together: dict[datetime, dict[str, Dump]] = {}
        for dump in self.dumps:
            if revisions.get(dump.database) == dump.revision:
                together.setdefault(dump.time, {})[dump.database] = dump
        whole = [time for time, found in together.items() if found.keys() == revisions.keys()]
        return together[max(whole)] if whole else {}


def state_script(databases: Collection[str], *, folder: str = FOLDER) -> str:
    """Print what `Contents.read` reads."""
    return _render("state", folder, names=databases)


def room_script(databases: Collection[str], *, folder: str = FOLDER) -> str:
    """Fail where there is no room for another copy, as a dump and as databases."""
    return _render("room", folder, names=databases)


def dump_script(databases: Collection[str], *, folder: str = FOLDER) -> str:
    """Dump them, and print the paths; of older dumps the last of other revisions stay."""
    return _render("dump", folder, names=databases, keep=OTHERS_KEPT + 1)


def restore_script(dumps: Mapping[str, Dump], *, folder: str = FOLDER) -> str:
    """Make databases what they were, with the rights that they have; all of them, or none."""
    return _render("restore", folder, dumps={name: dump.path for name, dump in dumps.items()})


def since_script(databases: Collection[str], time: datetime, *, folder: str = FOLDER) -> str:
    """Print, a line each, how much was added since; what was only changed is not counted."""
    counted = {name: _COUNTED[name] for name in databases if name in _COUNTED}
    return _render("since", folder, counted=counted, since=time.isoformat())


def _render(script: str, folder: str, **names: object) -> str:
    return render_names(f"databases/{script}.sh.j2", names | {"folder": folder})
