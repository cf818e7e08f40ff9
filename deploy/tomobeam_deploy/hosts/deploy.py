"""Runs roles in stages: each stage over all hosts before the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from graphlib import TopologicalSorter
from types import ModuleType
from typing import Protocol, cast

from pyinfra.context import host

from tomobeam_deploy.hosts.operations import put_right
from tomobeam_deploy.hosts.resources import Resource
from tomobeam_deploy.hosts.target import Target
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


def name_of(role: ModuleType) -> str:
    """The role's name, from its folder."""
    return role.__name__.split(".")[-2]


def plan(
    roles: Sequence[ModuleType], target: Target
) -> dict[tuple[Stage, tuple[str, ...]], list[Resource]]:
    """What the roles ask of a host, stage by stage.

    Roles that can be activated side by side share a step, so that their services start together.

    Raises:
        ValueError: two roles speak of the same thing.
    """
    steps: dict[tuple[Stage, tuple[str, ...]], list[Resource]] = {}
    owners: dict[str, str] = {}
    for stage in Stage:
        for together in _together(stage, roles):
            resources: list[Resource] = []
            for role in together:
                if not target.is_in(*cast(Role, role).GROUPS):
                    continue
                wanted = _ask(role, stage)(target)
                for resource in wanted:
                    owner = f"{name_of(role)}, {stage}"
                    if resource.title in owners:
                        raise ValueError(f"{resource.title}: {owners[resource.title]} and {owner}")
                    owners[resource.title] = owner
                resources += wanted
            steps[stage, tuple(name_of(role) for role in together)] = resources
    return steps


def _together(stage: Stage, roles: Sequence[ModuleType]) -> list[list[ModuleType]]:
    if stage is not Stage.ACTIVATE:
        return [[role] for role in roles]
    by_name = {name_of(role): role for role in roles}
    needs = {name: set(getattr(role, "NEEDS", ())) & set(by_name) for name, role in by_name.items()}
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    levels = []
    while sorter.is_active():
        ready = sorter.get_ready()
        levels.append([role for name, role in by_name.items() if name in ready])
        sorter.done(*ready)
    return levels


def _ask(role: ModuleType, stage: Stage) -> Callable[[Target], list[Resource]]:
    return getattr(role, stage.value, lambda _target: [])


def deploy(*roles: ModuleType) -> None:
    """Bring the host that pyinfra is at to what the roles say; called once for each host."""
    site = host.data.tomobeam_site
    target = Target(site, host.name, Vault.load(site.name))
    steps = plan(roles, target)
    everything = [resource for resources in steps.values() for resource in resources]
    for stage, names in host.loop(list(steps)):
        resources = steps[stage, names]
        if resources:
            put_right(resources, everything, name=f"{stage} {', '.join(names)}")
