"""Scripts that are run on any host, also by another host's operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paramiko import SSHException
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.api.state import State

from tomobeam_deploy.hosts.connection import notice_when_gone


class Unreached(RuntimeError):
    """A host could not be asked; the message says why."""


Ask = Callable[[str, str, str, str], str]
"""Runs a shell script as root on a host, with one argument and a standard input; what it printed.

It raises `Unreached` where that is not possible or ends badly.
"""


class Asking:
    """Runs scripts on any host of the run, as the operation `op_hash` would there.

    Without one, as any operation would.
    """

    def __init__(self, state: State, op_hash: str | None = None) -> None:
        self._state = state
        self._op_hash = op_hash

    def __call__(self, name: str, script: str, argument: str = "", stdin: str = "") -> str:
        """What the script printed.

        Raises:
            Unreached: the host is not part of this run or does not answer, or the script fails.
        """
        host = self._state.inventory.get_host(name)
        if host not in self._state.active_hosts:
            raise Unreached("failed earlier in this run, or is not part of it; deploy to it too")
        given = self._arguments(host)
        arguments = {key: given[key] for key in CONNECTOR_ARGUMENT_KEYS if key in given}
        command = StringCommand("sh", "-c", QuoteString(script), "sh", QuoteString(argument))
        notice_when_gone(host)
        try:
            ok, output = host.run_shell_command(command, **arguments | {"_stdin": [stdin]})
        except EOFError:
            raise Unreached("sudo wants a password; give it: --same-sudo-password") from None
        except (OSError, SSHException) as error:
            raise Unreached(f"the connection broke: {error}") from error
        if not ok:
            raise Unreached(output.stderr.strip() or "the connection broke")
        return output.stdout

    def _arguments(self, host: Host) -> dict[str, Any]:
        if self._op_hash is None:
            return dict(pop_global_arguments(self._state, host, {})[0])
        return dict(self._state.get_op_data_for_host(host, self._op_hash).global_arguments)
