"""pyinfra's side: one fact for a whole host, and one operation that puts right what differs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast
from weakref import WeakKeyDictionary

from pyinfra import logger
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import FunctionCommand, PyinfraCommand, QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import ctx_host, state

from tomobeam_deploy.hosts.resources import Bundle, Resource
from tomobeam_deploy.hosts.upload import upload

PROGRAM = Path(__file__).with_name("on_host.py").read_text(encoding="utf-8")
# The program and its orders come on standard input: an argument list can be read by everyone.
BOOTSTRAP = (
    "import json, sys; orders = json.load(sys.stdin); names = {'__name__': 'on_host'}; "
    "exec(compile(orders.pop('program'), 'on_host', 'exec'), names); names['main'](orders)"
)
# A file to which differences are added, one JSON object a line: for `drift`.
REPORT = "TOMOBEAM_DIFFERENCES"

Differences = dict[str, list[str]]


class HostFault(RuntimeError):
    """A host cannot be looked at."""


class View:
    """What a host was seen to lack; good until something is changed there."""

    _views: ClassVar[WeakKeyDictionary[Host, View]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self.found: Differences | None = None

    @classmethod
    def of(cls, host: Host) -> View:
        """The view of a host in this run."""
        return cls._views.setdefault(host, cls())


@operation()
def put_right(
    resources: Sequence[Resource], everything: Sequence[Resource]
) -> Iterator[PyinfraCommand]:
    """Compare `resources` with the host and put right what differs.

    `everything` is all that will be asked of the host in this run: it is compared in one go, and
    again only after something was changed.
    """
    host = cast(Host, ctx_host.get())
    view = View.of(host)
    if view.found is None:
        view.found = _compare(host, everything)
    differing = [r for r in resources if r.title in view.found]
    if not differing:
        return
    _report(host, {r.title: view.found[r.title] for r in differing})
    uploads = {}
    for bundle in (r for r in differing if isinstance(r, Bundle)):
        yield FunctionCommand(upload, [bundle.archive, uploads, bundle.title], {})
    # Whatever comes of it, the host is not as it was seen.
    view.found = None
    orders = [_order(r, uploads) for r in differing]
    yield StringCommand("python3", "-c", QuoteString(BOOTSTRAP), _stdin=[_input("apply", orders)])


def _order(resource: Resource, uploads: dict[str, str]) -> dict[str, Any]:
    more = {"upload": uploads[resource.title]} if resource.title in uploads else {}
    return resource.wanted() | resource.payload() | more


def _input(do: str, resources: list[dict[str, Any]]) -> str:
    return json.dumps({"program": PROGRAM, "do": do, "resources": resources})


def _compare(host: Host, resources: Sequence[Resource]) -> Differences:
    given = host.current_op_global_arguments or {}
    arguments = {key: given[key] for key in CONNECTOR_ARGUMENT_KEYS if key in given}
    arguments["_stdin"] = [_input("compare", [r.wanted() | _secret(r) for r in resources])]
    ok, output = host.run_shell_command(
        StringCommand("python3", "-c", QuoteString(BOOTSTRAP)), **arguments
    )
    if not ok:
        raise HostFault(f"{host.name}: {output.stderr.strip() or 'no answer'}")
    return json.loads(output.stdout_lines[-1])


def _secret(resource: Resource) -> dict[str, Any]:
    stdin = getattr(resource, "stdin", None)
    return {} if stdin is None else {"stdin": stdin}


def _report(host: Host, differences: Differences) -> None:
    for title, said in differences.items():
        logger.info(f"{host.print_prefix}{title}: {'; '.join(said)}")
    path = os.environ.get(REPORT)
    if path and not state.is_executing:
        with Path(path).open("a", encoding="utf-8") as file:
            for title, said in differences.items():
                file.write(json.dumps({"host": host.name, "what": title, "differs": said}) + "\n")
