"""pyinfra's side of taking roles away: the operations, and the operator's consent."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

from pyinfra import logger
from pyinfra.api.command import FunctionCommand, PyinfraCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state

from tomobeam_deploy.hosts.alone import alone
from tomobeam_deploy.hosts.operations import HostFault, execute, fail, leave_out, put_right
from tomobeam_deploy.hosts.removal import Removal, databases, dropped, in_order, removal
from tomobeam_deploy.hosts.resources import Resource
from tomobeam_deploy.hosts.roles import every_role
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Site, SiteError
from tomobeam_deploy.vault import Vault

# pyinfra's --data: the roles, divided by commas, and whether their data goes too.
ROLE, DELETE = "role", "delete"
ANSWERS = {None: False, "no": False, "yes": True}


Agreed = tuple[list[str], bool]
"""the roles in the order in which they go, and whether their data does"""


class Refused(PyinfraError):
    """Nothing is taken away; the message says why."""


def uninstall() -> None:
    """Take roles away from the host that pyinfra is at; called once for each host.

    Raises:
        Refused: it is not clear or not agreed what goes, or a role that stays needs it.
        SiteBusy: a deploy is at work.
    """
    host, state = cast(Host, ctx_host.get()), cast(State, ctx_state.get())
    site: Site = host.data.tomobeam_site
    alone(site.name)
    names, deletes = agreed(state, site, host.data.get(ROLE), host.data.get(DELETE))
    target, roles = Target(site, host.name, Vault.load(site.name)), every_role()
    found = {name: removal(name, names, roles, target) for name in names}
    _say_what_stays(host, list(found.values()), deletes)
    held = {name: databases(site, name) if deletes else [] for name in names}
    here = host.name == site.host_of("postgresql")
    drops = {name: [dropped(held[name])] if here and held[name] else [] for name in names}
    everything = [command for commands in drops.values() for command in commands]
    for name in host.loop(names):
        goes = (*found[name].goes, *(found[name].data if deletes else ()))
        take_away(goes=goes, name=f"take away {name}")
        if held[name]:
            put_right(resources=drops[name], everything=everything, name=f"databases of {name}")


@operation()
def take_away(goes: Sequence[Resource]) -> Generator[PyinfraCommand, None, None]:
    """Have a host take away what is left of these, in their order."""
    host, state = cast(Host, ctx_host.get()), cast(State, ctx_state.get())
    if not goes or host in state.failed_hosts:
        return
    wanted = [resource.wanted() for resource in goes]
    try:
        output = execute(host, state, "remains", wanted)
    except HostFault as fault:
        yield from leave_out(host, state, fault)
        return
    left = json.loads(output.stdout_lines[-1])["remains"]
    for title in left:
        logger.info(f"{host.print_prefix}{title}: goes")
    if left:
        yield FunctionCommand(_remove, [wanted], {})


def _remove(state: State, host: Host, wanted: list[dict[str, Any]]) -> bool:
    try:
        execute(host, state, "remove", wanted)
    except HostFault as fault:
        return fail(state, host, str(fault))
    return True


def _say_what_stays(host: Host, removals: list[Removal], deletes: bool) -> None:
    stays = [r.title for found in removals for r in found.stays]
    kept = [] if deletes else [f"data in {r.path}" for found in removals for r in found.data]
    for each in [*stays, *kept]:
        logger.info(f"{host.print_prefix}{each}: stays")


_answers: WeakKeyDictionary[State, Agreed | Refused] = WeakKeyDictionary()


def agreed(state: State, site: Site, role: object, delete: object) -> Agreed:
    """The same for every host of a run: the operator is asked once."""
    if state not in _answers:
        try:
            _answers[state] = _ask(state, site, role, delete)
        except (Refused, SiteError) as error:
            _answers[state] = Refused(str(error))
    answer = _answers[state]
    if isinstance(answer, Refused):
        raise answer
    return answer


def _ask(state: State, site: Site, role: object, delete: object) -> Agreed:
    if not role:
        raise Refused(f"say which role is to go: --data {ROLE}=webapp")
    if delete not in ANSWERS:
        raise Refused(f"--data {DELETE}={delete}: is neither yes nor no")
    names = in_order(str(role).split(","), every_role())
    if not ANSWERS[delete]:
        return names, False
    held = [database for name in names for database in databases(site, name)]
    server = state.inventory.get_host(site.host_of("postgresql"))
    if held and not state.is_host_in_limit(server):
        raise Refused(
            f"{', '.join(held)}: {server.name} has these databases; --limit leaves it out"
        )
    if not sys.stdin.isatty():
        raise Refused("data is deleted for good only on a terminal, where you can confirm it")
    sys.stderr.write(f"This deletes the data of {role} on {site.name} for good. Type {role}: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != role:
        raise Refused("that is not its name; nothing was deleted")
    return names, True
