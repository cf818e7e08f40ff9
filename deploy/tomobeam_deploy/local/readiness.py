"""Whether a service answers, and whether its port is free before it starts."""

from __future__ import annotations

import errno
import socket
import time
from pathlib import Path

from tomobeam_common.answers import fault
from tomobeam_deploy.local.child import Child, tail
from tomobeam_deploy.service import Process

POLL_S = 0.2


class StartError(RuntimeError):
    """A service could not be started; the message says why and where to look."""


def answers(process: Process) -> bool:
    """Whether the service answers its health address, or accepts on its port."""
    return not fault(process.health_url)


def wait_until_ready(process: Process, child: Child) -> float:
    """Wait until the service answers.

    Returns:
        The seconds that it took.

    Raises:
        StartError: it ended, or its limit passed; the message holds its last log lines.
    """
    begin = time.monotonic()
    limit = process.service.health.start_limit_s
    while not answers(process):
        if child.exit_code is not None:
            raise _failure(process.name, f"ended with exit code {child.exit_code}", child.log)
        if time.monotonic() - begin > limit:
            raise _failure(process.name, f"did not answer within {limit} s", child.log)
        time.sleep(POLL_S)
    return time.monotonic() - begin


def _failure(name: str, what: str, log: Path) -> StartError:
    return StartError(f"{name} {what}. The end of {log}:\n{tail(log)}")


def check_files(processes: dict[str, Process]) -> None:
    """See that what the host's packages bring is there.

    Raises:
        StartError: a file is missing; names the service and the file.
    """
    for process in processes.values():
        for file in process.service.needs_files:
            if not Path(file).exists():
                raise StartError(f"{process.name}: {file} is missing; install its package")


def check_ports(processes: dict[str, Process]) -> None:
    """See that every port is free before anything is started.

    Raises:
        StartError: one is in use; names the port and the setting.
    """
    for process in processes.values():
        address, port = process.placement.site.address, process.port
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                setting = f"TOMOBEAM_PORT_{process.service.port.upper()}"
                why = "in use" if error.errno == errno.EADDRINUSE else "not allowed for this user"
                raise StartError(
                    f"{process.name}: port {port} is {why}; set {setting} to another"
                ) from error
