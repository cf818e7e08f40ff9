"""Brings the schemas of a service's databases to those of a release, and loses nothing unsaid.

Everything that is written there is written through one unit of the service: while that is stopped,
a dump is what the databases are. The service's host knows the release, another has the databases.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.state import State

from tomobeam_deploy.hosts.asking import Ask, Asking, Unreached
from tomobeam_deploy.hosts.databases import (
    Contents,
    Dump,
    dump_script,
    restore_script,
    room_script,
    since_script,
    state_script,
)
from tomobeam_deploy.hosts.operations import HostFault
from tomobeam_deploy.hosts.preflight import COMMAND, command_line


@dataclass(frozen=True)
class Databases:
    """A service's databases, and the release to which they have to come."""

    service: str
    unit: str
    """through which alone they are written"""
    release: str
    """its folder on the service's host"""
    host: str
    """where the databases are"""
    names: tuple[str, ...]


@dataclass(frozen=True)
class Situation:
    """How databases and a release stand to each other."""

    of: Databases
    known: Mapping[str, list[str]]
    """by database the revisions that the release knows, newest first"""
    contents: Contents

    @property
    def others(self) -> dict[str, str]:
        """By database the revision that is not the one that the release works with."""
        found = {name: revision for name, revision in self.contents.revisions.items() if revision}
        return {n: revision for n, revision in found.items() if revision != self.known[n][0]}

    @property
    def newer(self) -> dict[str, str]:
        """Of these the ones that the release does not know: a newer one migrated to them."""
        return {n: revision for n, revision in self.others.items() if revision not in self.known[n]}

    @property
    def dumps(self) -> dict[str, Dump]:
        """By database, the last dumps that the release can work with."""
        full = [name for name, revision in self.contents.revisions.items() if revision]
        return self.contents.dumps_of({name: self.known[name][0] for name in full})


def look(of: Databases, ask: Ask, here: str) -> Situation:
    """How they stand now; `here` is the service's host.

    Raises:
        HostFault: a host does not say.
    """
    described = json.loads(_ask(ask, here, f"cat {of.release}/release.json"))
    known = described.get("schema") or {}
    if missing := [name for name in of.names if name not in known]:
        raise HostFault(
            f"release {Path(of.release).name} of {of.service} does not say which schema of "
            f"{' and '.join(missing)} it works with; deploy another"
        )
    return Situation(of, known, Contents.read(_ask(ask, of.host, state_script(of.names))))


def refusal(situation: Situation, ask: Ask) -> str:
    """Why the release cannot have the databases as they are, and what would be lost if it must."""
    of, dumps = situation.of, situation.dumps
    release = Path(of.release).name
    why = "; ".join(
        f"{name} is of revision {revision}, to which a newer release migrated it, and {release} of "
        f"{of.service} works with {situation.known[name][0]}"
        for name, revision in situation.newer.items()
    )
    if not dumps:
        return f"{why}; {of.host} has no dump of that; deploy a release that knows what there is"
    back = f"{COMMAND} rollback {command_line()['inventory']} --service {of.service}"
    return (
        f"{why}. They can become what was dumped ({_files(dumps)}), and then {loss(situation, ask)}"
        f", by: {back} --release {release} --restore"
    )


def loss(situation: Situation, ask: Ask) -> str:
    """What loading the dumps takes away."""
    time = min(dump.time for dump in situation.dumps.values())
    try:
        counts = _ask(ask, situation.of.host, since_script(situation.of.names, time))
    except HostFault:
        # It has tables that this program does not know.
        counts = ""
    gained = f" ({', '.join(counts.splitlines())})" if counts else ""
    return f"what was written since {time:%Y-%m-%d %H:%M:%S} UTC is lost{gained}"


def _files(dumps: Mapping[str, Dump]) -> str:
    return " ".join(dump.path for dump in dumps.values())


def first(of: Databases, restore: bool, run: State, host: Host) -> dict[str, Any]:
    """What has to be done on other hosts before `on_host.Schema`, and what that has to know.

    Raises:
        HostFault: as `settle`.
    """
    return {"migrate": settle(of, restore, Asking(run, host.current_op_hash), host.name)}


def settle(of: Databases, restore: bool, ask: Ask, here: str) -> bool:
    """Save the databases before their schemas change, or bring back what they were.

    Args:
        of: which.
        restore: whether dumps may be loaded.
        ask: reaches the hosts.
        here: the service's; its unit is stopped where anything has to change.

    Returns:
        Whether the release has to migrate them.

    Raises:
        HostFault: it is refused, or a host does not do its part; the unit runs as before.
    """
    situation = look(of, ask, here)
    if not situation.others:
        return False
    if situation.newer and not (restore and situation.dumps):
        raise HostFault(refusal(situation, ask))
    _ask(ask, of.host, room_script(of.names))
    with _nobody_writes(of, ask, here):
        dumped = " ".join(_ask(ask, of.host, dump_script(of.names)).split())
        logger.info(f"{of.service}: dumped on {of.host}: {dumped}")
        if situation.newer:
            loaded = _files(situation.dumps)
            logger.warning(f"{of.service}: {loaded} is loaded; {loss(situation, ask)}")
            _ask(ask, of.host, restore_script(situation.dumps))
    return not situation.newer


@contextmanager
def _nobody_writes(of: Databases, ask: Ask, here: str) -> Iterator[None]:
    """Stop the unit; it is started again only if something goes wrong."""
    _ask(ask, here, f"systemctl stop {of.unit}")
    try:
        yield
    except HostFault:
        _ask(ask, here, f"systemctl start {of.unit}")
        raise


def _ask(ask: Ask, host: str, script: str) -> str:
    try:
        return ask(host, script, "", "")
    except Unreached as error:
        raise HostFault(f"{host}: {error}") from error
