"""pyinfra's side: one look at a whole host, and one operation that puts right what differs."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from datetime import timedelta
from typing import Any, cast
from weakref import WeakKeyDictionary

from paramiko import SSHException
from pyinfra import logger
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import FunctionCommand, PyinfraCommand, QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_state

from tomobeam_deploy.hosts import report
from tomobeam_deploy.hosts.brought import ARCHIVED
from tomobeam_deploy.hosts.connection import notice_when_gone
from tomobeam_deploy.hosts.report import Differences
from tomobeam_deploy.hosts.resources import Resource, Schema
from tomobeam_deploy.hosts.upload import upload
from tomobeam_deploy.on_host import BOOTSTRAP, COMMAND, Do, orders

# TLS and tokens suffer no more.
CLOCK_TOLERANCE_S = 300
LOOK_LIMIT_S = 300
# What sudo says after it asked several times.
WRONG_PASSWORD = "incorrect password attempt"


class HostFault(RuntimeError):
    """A host cannot be looked at; the message says why."""


# What each host was seen to lack; none once something was changed there.
_seen: WeakKeyDictionary[Host, Differences] = WeakKeyDictionary()


@operation()
def put_right(
    resources: Sequence[Resource], everything: Sequence[Resource]
) -> Generator[PyinfraCommand, None, None]:
    """Compare `resources` with the host and put right what differs.

    `everything` is all that will be asked of the host in this run: it is compared in one go, and
    again only after something was changed.
    """
    host, state = cast(Host, ctx_host.get()), cast(State, ctx_state.get())
    if not resources or host in state.failed_hosts:
        return
    try:
        seen = _see(host, everything)
    except HostFault as fault:
        yield from leave_out(host, state, fault)
        return
    differing = [r for r in resources if r.title in seen]
    for resource in differing:
        logger.info(f"{host.print_prefix}{resource.title}: {'; '.join(seen[resource.title])}")
    if differing:
        yield from _put_right(host, differing, resources)


def _put_right(
    host: Host, differing: list[Resource], resources: Sequence[Resource]
) -> Generator[PyinfraCommand, None, None]:
    uploads: dict[str, str] = {}
    learned: dict[str, dict[str, Any]] = {}
    for resource in differing:
        if isinstance(resource, ARCHIVED):
            yield FunctionCommand(upload, [resource.archive, uploads, resource.title], {})
        elif isinstance(resource, Schema):
            yield FunctionCommand(_first, [resource, learned], {})
    # The rest of the step too: a unit is right only until a file that it reads is put right.
    sent = [r for r in resources if r in differing or not isinstance(r, ARCHIVED)]
    yield FunctionCommand(_apply, [sent, uploads, learned], {})
    _seen.pop(host, None)


def _first(state: State, host: Host, resource: Schema, learned: dict[str, dict[str, Any]]) -> bool:
    try:
        learned[resource.title] = resource.first(state, host)
    except HostFault as fault:
        return fail(state, host, f"{resource.title}: {fault}")
    return True


def _apply(
    state: State,
    host: Host,
    sent: list[Resource],
    uploads: dict[str, str],
    learned: dict[str, dict[str, Any]],
) -> bool:
    def order(resource: Resource) -> dict[str, Any]:
        more = {"upload": uploads[resource.title]} if resource.title in uploads else {}
        return resource.wanted() | resource.payload() | more | learned.get(resource.title, {})

    try:
        execute(host, state, "apply", [order(resource) for resource in sent])
    except HostFault as fault:
        return fail(state, host, str(fault))
    return True


def leave_out(host: Host, state: State, fault: HostFault) -> Generator[PyinfraCommand, None, None]:
    """Let a host fail; it does not keep the others from being planned or put right."""
    if state.is_executing:
        yield FunctionCommand(fail, [str(fault)], {})
    else:
        fail(state, host, str(fault))
        state.fail_hosts({host})


def fail(state: State, host: Host, sentences: str) -> bool:  # noqa: ARG001 - pyinfra's names
    """What an operation ends with that goes wrong: the sentences, and False."""
    for line in sentences.splitlines():
        logger.error(f"{host.print_prefix}{line}")
    return False


def _see(host: Host, everything: Sequence[Resource]) -> Differences:
    """What the host lacks, title → sentences; looked at where it is not known.

    Raises:
        HostFault: it does not answer, cannot say, or has a wrong clock.
    """
    if host not in _seen:
        state = cast(State, ctx_state.get())
        try:
            found = _look(host, state, [resource.wanted() for resource in everything])
        except HostFault as fault:
            report.add(host.name, str(fault))
            raise
        report.add(host.name, found)
        _seen[host] = found
    return _seen[host]


def _look(host: Host, state: State, wanted: list[dict[str, Any]]) -> Differences:
    notice_when_gone(host)
    began = time.time()
    output = execute(host, state, "compare", wanted, _timeout=LOOK_LIMIT_S)
    try:
        answer = json.loads(output.stdout_lines[-1])
        differences, now = answer["differences"], answer["now"]
    except (IndexError, KeyError, TypeError, ValueError):
        raise HostFault(f"answered what is no comparison: {output.output[:300]!r}") from None
    _check_clock(now, began, time.time())
    return differences


def execute(
    host: Host,
    state: State,
    do: Do,
    wanted: list[dict[str, Any]],
    **more: Any,
) -> CommandOutput:
    """Have the program do something: one execution over SSH.

    Raises:
        HostFault: it cannot be asked, or says what is wrong.
    """
    program, *flags, _ = COMMAND
    given: dict[str, Any] = dict(host.current_op_global_arguments or {})
    arguments = {key: given[key] for key in CONNECTOR_ARGUMENT_KEYS if key in given}
    try:
        ok, output = host.run_shell_command(
            StringCommand(program, *flags, QuoteString(BOOTSTRAP)),
            print_input=state.print_input,
            print_output=state.print_output,
            **arguments | {"_stdin": [orders(do, wanted)]} | more,
        )
    except EOFError:
        raise HostFault("sudo wants a password; give it: --same-sudo-password") from None
    except TimeoutError:
        raise HostFault("did not answer in time") from None
    except (OSError, SSHException) as error:
        raise HostFault(f"the connection broke: {error}") from error
    if not ok:
        raise HostFault(_reason(output.stderr.strip()))
    return output


def _reason(said: str) -> str:
    """Why an execution failed, by what it said last."""
    if WRONG_PASSWORD in said:
        return "sudo does not take this password"
    return said or "the connection broke"


def _check_clock(now: float, began: float, ended: float) -> None:
    """Refuse a host whose time lies too far outside the span in which it was asked."""
    off = now - min(max(now, began), ended)
    if abs(off) > CLOCK_TOLERANCE_S:
        far = f"{timedelta(seconds=round(abs(off)))} {'ahead of' if off > 0 else 'behind'}"
        raise HostFault(
            f"its clock is {far} this machine's, and TLS would fail; set the wrong one, there by: "
            "ssh HOST sudo date --set=@$(date +%s)"
        )
