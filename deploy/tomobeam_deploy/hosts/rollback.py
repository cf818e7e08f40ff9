"""pyinfra's side of going back: one look at all hosts, one decision for all, then step by step."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from weakref import WeakKeyDictionary

import gevent
from pyinfra import logger
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state

from tomobeam_deploy.hosts.alone import alone
from tomobeam_deploy.hosts.asking import Ask, Asking, Unreached
from tomobeam_deploy.hosts.deploy import levels
from tomobeam_deploy.hosts.operations import HostFault, fail, put_right
from tomobeam_deploy.hosts.resources import Answers, Command, Resource, Unit
from tomobeam_deploy.hosts.roles import every_role
from tomobeam_deploy.hosts.schemas import look, loss, refusal
from tomobeam_deploy.hosts.services import ServiceRole, databases, ran, schema
from tomobeam_deploy.hosts.target import OPT, Target
from tomobeam_deploy.on_host.units import STARTED
from tomobeam_deploy.releases import back_script
from tomobeam_deploy.releases import look as program
from tomobeam_deploy.releases.goals import Goal, Installed, Place, goal_of, goals
from tomobeam_deploy.renderers.systemd import Once
from tomobeam_deploy.service import Process
from tomobeam_deploy.site import Site
from tomobeam_deploy.site.faults import did_you_mean
from tomobeam_deploy.vault import Vault

# pyinfra's --data: which service, else all; which release of it, else the one before; and whether
# databases may become what they were.
SERVICE, RELEASE, RESTORE = "service", "release", "restore"
ANSWERS = {None: False, "no": False, "yes": True}
LOOK = 'exec python3 -I -S - "$1" ' + str(STARTED)


class Refused(PyinfraError):
    """Nothing goes back; the message says why."""


@dataclass(frozen=True)
class Wish:
    """What an operator asked for."""

    service: str | None
    release: str | None
    restore: bool

    @classmethod
    def read(cls, data: Any, services: Iterable[str]) -> Wish:
        """What --data says.

        Raises:
            Refused: it cannot be meant.
        """
        service, release, restore = data.get(SERVICE), data.get(RELEASE), data.get(RESTORE)
        known = sorted(services)
        if service and service not in known:
            meant = did_you_mean(service, known)
            raise Refused(f"service: there is no {service!r}{meant}; there are: {', '.join(known)}")
        if release and not service:
            raise Refused(f"release: of which service is {release}? say so: --data {SERVICE}=")
        if restore not in ANSWERS:
            raise Refused(f"--data {RESTORE}={restore}: is neither yes nor no")
        return cls(service, release, ANSWERS[restore])


def rollback() -> None:
    """Take the host that pyinfra is at back by one release; called once for each host.

    Raises:
        Refused: a wish cannot be granted; no host was changed.
        SiteBusy: another deploy of the site is at work.
    """
    host, state = cast(Host, ctx_host.get()), cast(State, ctx_state.get())
    site: Site = host.data.tomobeam_site
    alone(site.name)
    roles = service_roles()
    wish = Wish.read(host.data, roles)
    all_goals = decided(state, site, wish)
    mine = {service: goal for (name, service), goal in all_goals.items() if name == host.name}
    target = Target(site, host.name, Vault.load(site.name))
    steps: dict[str, list[Resource]] = {}
    for level in levels(list(roles.values())):
        here = {service: role for service, role in roles.items() if role in level}
        steps[f"take back {', '.join(here)}"] = [
            resource
            for service, role in here.items()
            if service in mine
            for resource in resources(role, target, target.processes[service], mine[service], wish)
        ]
    steps["provision"] = [
        resource
        for service, goal in mine.items()
        for resource in ran(target, target.processes[service], Once.PROVISION, goal.release)
    ]
    everything = [resource for step in steps.values() for resource in step]
    for name in host.loop(list(steps)):
        put_right(resources=steps[name], everything=everything, name=name)


def service_roles() -> dict[str, ModuleType]:
    """The roles that have releases, by the names of their services."""
    return {
        own.service: role
        for role in every_role().values()
        for own in vars(role).values()
        if isinstance(own, ServiceRole)
    }


def resources(
    role: ModuleType, target: Target, process: Process, goal: Goal, wish: Wish
) -> list[Resource]:
    """One service runs its goal, with databases that it understands, and answers."""
    home = OPT / process.name
    links = {"current": goal.release, "previous": goal.earlier}
    wanted = {name: f"releases/{release}" if release else "" for name, release in links.items()}
    return [
        Command(
            name=f"{home}/current is {goal.release}",
            check=" && ".join(
                f'[ "$(readlink {home}/{name})" = "{where}" ]' for name, where in wanted.items()
            ),
            apply=back_script(process.name, goal.release, goal.earlier, undo=not goal.forward),
        ),
        *schema(process, str(home / "releases" / goal.release), wish.restore),
        *(r for r in role.activate(target) if isinstance(r, Unit | Answers)),
    ]


_lock = threading.Lock()
_decisions: WeakKeyDictionary[State, dict[Place, Goal] | Refused] = WeakKeyDictionary()


def decided(state: State, site: Site, wish: Wish) -> dict[Place, Goal]:
    """Where services go, the same for every host of a run.

    Raises:
        Refused: one of them cannot; then none goes.
    """
    with _lock:
        if state not in _decisions:
            try:
                _decisions[state] = _decide(state, site, wish)
            except Refused as refused:
                _decisions[state] = refused
    decision = _decisions[state]
    if isinstance(decision, Refused):
        raise decision
    return decision


def _decide(state: State, site: Site, wish: Wish) -> dict[Place, Goal]:
    ask = Asking(state)
    # No secret has to be known for that.
    none = Vault(Path(os.devnull))
    hosts = state.inventory.get_active_hosts()
    targets = {host.name: Target(site, host.name, none) for host in hosts}
    found = _look(state, ask, targets, wish)
    if wish.service and not found:
        raise Refused(f"service: no host of this run has {wish.service}")
    decided = _named(found, wish.release) if wish.release else goals(found)
    for place, of in found.items():
        logger.info(f"{place[0]}: {place[1]} {_said_of(of, decided.get(place))}")
    faults = [
        fault
        for (name, service), goal in decided.items()
        if (fault := _schema_fault(ask, targets[name], service, goal, wish))
    ]
    if faults:
        raise Refused("; ".join(faults))
    return decided


def _said_of(installed: Installed, goal: Goal | None) -> str:
    if goal:
        return f"goes from {installed.current} to {goal.release}"
    why = "" if goal_of(installed) else ": there is none before it"
    return f"stays with {installed.current}{why}"


def _look(
    state: State, ask: Ask, targets: Mapping[str, Target], wish: Wish
) -> dict[Place, Installed]:
    """What the hosts hold of the services that are meant; asked side by side."""
    jobs = {name: gevent.spawn(_ask, ask, name) for name in targets}
    found = {}
    for name, job in jobs.items():
        said = job.get()
        if isinstance(said, Unreached):
            host = state.inventory.get_host(name)
            fail(state, host, str(said))
            state.fail_hosts({host})
            continue
        held = said.keys() & targets[name].processes.keys()
        found |= {
            (name, service): Installed.read(said[service])
            for service in sorted(held)
            if wish.service in (None, service)
        }
    return found


def _ask(ask: Ask, name: str) -> dict[str, Any] | Unreached:
    text = Path(program.__file__).read_text(encoding="utf-8")
    try:
        return json.loads(ask(name, LOOK, str(OPT), text))
    except Unreached as error:
        return error


def _named(found: Mapping[Place, Installed], release: str) -> dict[Place, Goal]:
    for (name, service), of in found.items():
        if release not in of.unpacked:
            there = ", ".join(of.unpacked)
            raise Refused(f"release: {name} has no {release} of {service}; there are: {there}")
    named = {place: goal_of(of, release) for place, of in found.items()}
    return {place: goal for place, goal in named.items() if goal}


def _schema_fault(ask: Ask, target: Target, service: str, goal: Goal, wish: Wish) -> str | None:
    """Why a service's databases keep it from going there."""
    of = databases(target.processes[service], f"{OPT}/{service}/releases/{goal.release}")
    if of is None:
        return None
    try:
        situation = look(of, ask, target.name)
    except HostFault as fault:
        return str(fault)
    if not situation.newer:
        return None
    if not (wish.restore and situation.dumps):
        return refusal(situation, ask)
    logger.warning(f"{service}: its databases become what they were; {loss(situation, ask)}")
    return None
