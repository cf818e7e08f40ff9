"""To which release each service of each host goes back.

A service goes to the release that it ran before, `previous`. From there the way leads further back
only: to the newest that was unpacked before. What went back since its last deploy stays, as long as
others have not: so a rollback that ended early is finished by the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Unpacked:
    """A release that a host has."""

    name: str
    at: int
    """when it was unpacked; ns since 1970"""


@dataclass(frozen=True)
class Installed:
    """A service's releases on a host, and which is which; names, or None."""

    current: str | None
    previous: str | None
    undone: str | None
    """from which it went back; None since the next deploy"""
    started: str | None
    """from which its unit was started, as far as that is known"""
    unpacked: Mapping[str, Unpacked]

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """What `releases.look` says of a service."""
        unpacked = {each["name"]: Unpacked(each["name"], each["at"]) for each in said["unpacked"]}
        return cls(said["current"], said["previous"], said["undone"], said["started"], unpacked)

    def before(self, name: str, but: str | None) -> str | None:
        """The newest that was unpacked before another; `but` this one."""
        at = self.unpacked[name].at
        older = [each for each in self.unpacked.values() if each.at < at and each.name != but]
        return max(older, key=lambda each: each.at).name if older else None

    @property
    def ended_early(self) -> bool:
        """Whether a rollback was ended before it restarted the unit."""
        return self.undone is not None and self.undone in (self.current, self.started)


@dataclass(frozen=True)
class Goal:
    """What is to be current, and what is `earlier`, to which the next rollback leads."""

    release: str
    earlier: str | None
    forward: bool = False
    """whether it is a newer one, that somebody named"""


Place = tuple[str, str]
"""a host, and a service there"""


def goal_of(installed: Installed, named: str | None = None) -> Goal | None:
    """Where a service of a host goes; None: nowhere, there is nothing earlier.

    Raises:
        KeyError: the host does not have the release that is named.
    """
    current = installed.current
    if current is None or current not in installed.unpacked:
        return None
    if named is not None:
        if installed.unpacked[named].at > installed.unpacked[current].at:
            return Goal(named, current, forward=True)
        return Goal(named, installed.before(named, but=current))
    if installed.ended_early and current != installed.undone:
        return Goal(current, installed.before(current, but=installed.undone))
    release = installed.previous
    if release is None or release == current or release not in installed.unpacked:
        release = installed.before(current, but=installed.undone)
    if release is None:
        return None
    return Goal(release, installed.before(release, but=current))


def goals(installed: Mapping[Place, Installed]) -> dict[Place, Goal]:
    """Where all go that have somewhere to go, and whose turn it is."""
    found = {place: goal for place, of in installed.items() if (goal := goal_of(of))}
    aims = {(service, goal.release) for (_, service), goal in found.items()}
    going = {
        (host, service): goal
        for (host, service), goal in found.items()
        # A host that the last deploy did not reach runs already what others go back to.
        if (service, installed[host, service].current) not in aims - {(service, goal.release)}
    }
    first = {place: goal for place, goal in going.items() if not _went_back(place[1], installed)}
    return first or going


def _went_back(service: str, installed: Mapping[Place, Installed]) -> bool:
    """Whether a service did so since its last deploy, wherever it is."""
    everywhere = [each for (_, name), each in installed.items() if name == service]
    undone = {each.undone for each in everywhere if each.undone}
    behind = [each for each in everywhere if undone & {each.current, each.started}]
    return bool(undone) and not behind
