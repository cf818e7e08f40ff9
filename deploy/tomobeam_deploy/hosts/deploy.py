"""Runs roles in stages: each stage over all hosts before the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from graphlib import TopologicalSorter
from types import ModuleType
from typing import Protocol, cast

from pyinfra.context import host

from tomobeam_deploy.hosts import archives
from tomobeam_deploy.hosts.alone import alone
from tomobeam_deploy.hosts.brought import Packages
from tomobeam_deploy.hosts.operations import put_right
from tomobeam_deploy.hosts.resources import Resource
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.packages import Repository
from tomobeam_deploy.site import Group
from tomobeam_deploy.vault import Vault


class Stage(StrEnum):
    """In this order, each over all hosts before the next."""

    INSTALL = "install"
    CONFIGURE = "configure"
    ACTIVATE = "activate"
    PROVISION = "provision"


class Role(Protocol):
    """A module `roles/<role>/deploy.py`; of the stages it has those that it needs.

    Each is a function of a `Target` that returns a list of resources.
    """

    GROUPS: tuple[Group, ...]
    NEEDS: tuple[str, ...]
    """Roles that must be active, on whatever host, before this one is activated."""
    PACKAGES: tuple[str, ...] | Callable[[Target], tuple[str, ...]]
    """Debian packages that it wants; those of all roles are installed together, at first."""
    is_wanted: Callable[[Target], bool]
    """Of the hosts of its groups, those that it is on; without it, all."""


def name_of(role: ModuleType) -> str:
    """The role's name, from its folder."""
    return role.__name__.split(".")[-2]


Step = tuple[Stage, tuple[str, ...]]
PACKAGES = (Stage.INSTALL, ("packages",))


def plan(roles: Sequence[ModuleType], target: Target) -> dict[Step, list[Resource]]:
    """What the roles ask of a host, step by step; the steps are the same for every host.

    What several roles ask for alike is asked once.

    Raises:
        ValueError: two roles speak of the same thing and differ.
    """
    steps: dict[Step, list[Resource]] = {PACKAGES: _packages(roles, target)}
    asked: dict[str, tuple[Resource, str]] = {}
    for stage, together in _steps(roles):
        resources = steps.setdefault((stage, tuple(map(name_of, together))), [])
        for role in together:
            if not is_for(role, target):
                continue
            who = f"{stage} {name_of(role)}"
            for resource in _ask(role, stage)(target):
                known = asked.setdefault(resource.title, (resource, who))
                if known == (resource, who):
                    resources.append(resource)
                elif known[0] != resource:
                    raise ValueError(f"{resource.title}: {known[1]} and {who} want it differently")
    return steps


def _packages(roles: Sequence[ModuleType], target: Target) -> list[Resource]:
    """What all roles want installed on a host, from a repository with what they want anywhere."""

    def names(host: str) -> set[str]:
        there = replace(target, name=host)
        return {name for role in roles if is_for(role, there) for name in _wants(role, there)}

    def repository() -> Repository:
        everywhere = set().union(*map(names, target.site.hosts))
        return archives.repository(tuple(sorted(everywhere)), target.secret("package-signing-key"))

    wanted = tuple(sorted(names(target.name)))
    return [Packages(wanted, repository)] if wanted else []


def _wants(role: ModuleType, target: Target) -> tuple[str, ...]:
    wanted = cast(Role, role).PACKAGES if hasattr(role, "PACKAGES") else ()
    return wanted(target) if callable(wanted) else wanted


def is_for(role: ModuleType, target: Target) -> bool:
    """Whether a role is on this host."""
    if not target.is_in(*cast(Role, role).GROUPS):
        return False
    return cast(Role, role).is_wanted(target) if hasattr(role, "is_wanted") else True


def _steps(roles: Sequence[ModuleType]) -> Iterator[tuple[Stage, list[ModuleType]]]:
    """The stages; activation follows needs, and who is needed is provisioned before others start.

    Roles that can be activated side by side share a step, so that their services start together.
    """
    for role in roles:
        yield Stage.INSTALL, [role]
    for role in roles:
        yield Stage.CONFIGURE, [role]
    for level in levels(roles):
        yield Stage.ACTIVATE, level
        yield Stage.PROVISION, level


def levels(roles: Sequence[ModuleType]) -> Iterator[list[ModuleType]]:
    """The roles, each after those that it needs; a level at a time."""
    by_name = {name_of(role): role for role in roles}
    needs = {name: set(getattr(role, "NEEDS", ())) & set(by_name) for name, role in by_name.items()}
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    while sorter.is_active():
        ready = sorter.get_ready()
        yield [role for name, role in by_name.items() if name in ready]
        sorter.done(*ready)


def _ask(role: ModuleType, stage: Stage) -> Callable[[Target], list[Resource]]:
    return getattr(role, stage.value, lambda _target: [])


def deploy(*roles: ModuleType) -> None:
    """Bring the host that pyinfra is at to what the roles say; called once for each host.

    Raises:
        SiteBusy: another deploy of the site is at work.
    """
    site = host.data.tomobeam_site
    alone(site.name)
    target = Target(site, host.name, Vault.load(site.name))
    steps = plan(roles, target)
    everything = [resource for resources in steps.values() for resource in resources]
    # Also where nothing is asked of this host: a step is over when it is over on all hosts.
    for stage, names in host.loop(list(steps)):
        name = f"{stage} {', '.join(names)}"
        put_right(resources=steps[stage, names], everything=everything, name=name)
