"""pyinfra's side: an operation that shows the table and changes nothing."""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from typing import Any, cast

from pyinfra import logger
from pyinfra.api.command import FunctionCommand, PyinfraCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state

from tomobeam_deploy.hosts.operations import fail
from tomobeam_deploy.hosts.upload import ssh_command
from tomobeam_deploy.site import Site
from tomobeam_deploy.status.gather import gather
from tomobeam_deploy.status.table import text


def status() -> None:
    """Show how all hosts and their units are; called once for each host."""
    show(name="status")


@operation()
def show() -> Generator[PyinfraCommand, None, None]:
    """On one host, ask all of them, also those that pyinfra could not connect to."""
    here, state = cast(Host, ctx_host.get()), cast(State, ctx_state.get())
    site: Site = here.data.tomobeam_site
    connected = {host.name for host in state.active_hosts}
    if here.name != next((name for name in site.hosts if name in connected), None):
        return
    if not _table(state)["well"]:
        yield FunctionCommand(fail, ["not all is well"], {})


@cache
def _table(state: State) -> dict[str, Any]:
    """Shown once, in the plan if there is one; what it says is the same when it is run."""
    site: Site = next(iter(state.active_hosts)).data.tomobeam_site
    hosts = {h.name: h for h in map(state.inventory.get_host, site.hosts)}
    asked = [name for name, host in hosts.items() if state.is_host_in_limit(host)]
    ssh = {name: ssh_command(hosts[name]) for name in asked}
    found = gather(site, asked, ssh, state.config.SUDO_PASSWORD)
    logger.info(f"\n{text(found)}\n")
    return found
