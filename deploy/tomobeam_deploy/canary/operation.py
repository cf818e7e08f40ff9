"""pyinfra's side: the last operation of a deploy, which changes nothing and may fail."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import cast

from pyinfra import logger
from pyinfra.api.command import FunctionCommand, PyinfraCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state, host

from tomobeam_contracts.canary import HOP_LIMIT_S
from tomobeam_contracts.flow import FlowType
from tomobeam_deploy.canary.journey import travel
from tomobeam_deploy.canary.report import document, text
from tomobeam_deploy.hosts.asking import Asking
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Site
from tomobeam_deploy.vault import Vault

# For `tomobeam-site canary`: the reconstruction host, the kind of jobs, the limit of a hop, and a
# file for the report.
SENDER, KIND, LIMIT, REPORT = (
    "TOMOBEAM_CANARY_FROM",
    "TOMOBEAM_CANARY_KIND",
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
    kind = FlowType(os.environ[KIND]) if os.environ.get(KIND) else None
    journey = travel(Target(site, sender, none), Target(site, web, none), ask, hop_limit_s, kind)
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
