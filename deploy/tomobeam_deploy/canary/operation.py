"""pyinfra's side: the last operation of a deploy, which changes nothing and may fail."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import FunctionCommand, PyinfraCommand, QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state, host

from tomobeam_deploy.canary.halves import HOP_LIMIT_S
from tomobeam_deploy.canary.journey import Unreached, travel
from tomobeam_deploy.canary.report import document, text
from tomobeam_deploy.hosts.connection import notice_when_gone
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Site
from tomobeam_deploy.vault import Vault

# For `tomobeam-site canary`: the reconstruction host, the limit of a hop, and a file for the
# report.
SENDER, LIMIT, REPORT = (
    "TOMOBEAM_CANARY_FROM",
    "TOMOBEAM_CANARY_HOP_LIMIT_S",
    "TOMOBEAM_CANARY_REPORT",
)


def canary() -> None:
    """Send a tiny scan over every wire once all is active; called once for each host."""
    site: Site = host.data.tomobeam_site
    sender = os.environ.get(SENDER) or site.host_of("reconstruction")
    fly(site=site, sender=sender, name="canary")


@operation()
def fly(site: Site, sender: str) -> Generator[PyinfraCommand, None, None]:
    """On the web host, run both halves. It yields no command where all went well: no change."""
    here, state = cast(Host, ctx_host.get()), cast(State, ctx_state.get())
    web = site.host_of("webapp")
    if here.name != web or not state.is_executing:
        return
    if left_out := _left_out(state, sender):
        logger.warning(f"{here.print_prefix}no canary: {left_out} is not part of this run")
        return
    hop_limit_s = float(os.environ.get(LIMIT) or HOP_LIMIT_S)
    ask = Asking(state, here.current_op_hash or "")
    # The units name files with secrets that are on the hosts: none has to be known here.
    none = Vault(Path(os.devnull))
    journey = travel(Target(site, sender, none), Target(site, web, none), ask, hop_limit_s)
    found = document(journey)
    logger.info(f"{here.print_prefix}canary\n{text(found)}")
    if path := os.environ.get(REPORT):
        Path(path).write_text(json.dumps(found), encoding="utf-8")
    if not found["passed"]:
        yield FunctionCommand(_fail, [], {})


def _left_out(state: State, sender: str) -> str | None:
    """The reconstruction host, where `--limit` or `--exclude` leaves it out."""
    known = state.inventory.get_host(sender)
    return None if state.is_host_in_limit(known) else sender


def _fail(state: State, host: Host) -> bool:  # noqa: ARG001 - pyinfra's names
    return False


class Asking:
    """Runs scripts on any host of the run, as the operation `op_hash` would there."""

    def __init__(self, state: State, op_hash: str) -> None:
        self._state = state
        self._op_hash = op_hash

    def __call__(self, name: str, script: str, argument: str, stdin: str) -> str:
        """What the script printed.

        Raises:
            Unreached: the host is not part of this run or does not answer, or the script fails.
        """
        host = self._state.inventory.get_host(name)
        if host not in self._state.active_hosts:
            raise Unreached("failed earlier in this run, or is not part of it")
        given: dict[str, Any] = dict(
            self._state.get_op_data_for_host(host, self._op_hash).global_arguments
        )
        arguments = {key: given[key] for key in CONNECTOR_ARGUMENT_KEYS if key in given}
        command = StringCommand("sh", "-c", QuoteString(script), "sh", QuoteString(argument))
        notice_when_gone(host)
        try:
            ok, output = host.run_shell_command(command, **arguments | {"_stdin": [stdin]})
        except (OSError, EOFError, SSHException) as error:
            raise Unreached(f"the connection broke: {error}") from error
        if not ok:
            raise Unreached(output.stderr.strip() or "the connection broke")
        return output.stdout
