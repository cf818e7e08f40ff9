"""One change of a site at a time, of all that an operator begins on this machine.

Two deploys of different states of the repository would each undo what the other did.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from pyinfra.api.exceptions import PyinfraError

from tomobeam_deploy.hosts.preflight import command_line

# Kept open: a lock ends with its file, and with this process, whatever ends that.
_held: dict[Path, IO[str]] = {}


class SiteBusy(PyinfraError):
    """Somebody else changes the site; the message says which process."""


def alone(site_name: str) -> None:
    """Keep others from changing a site until this process ends.

    Does nothing where pyinfra only makes a plan, and nothing more when it is called again.

    Raises:
        SiteBusy: another process is at it.
    """
    path = lock_file(site_name)
    if path in _held or command_line()["dry"]:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        process = file.read().strip()
        file.close()
        raise SiteBusy(
            f"{site_name}: another deploy (process {process}) is at work; "
            "nothing was changed; wait for its end"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    _held[path] = file


def lock_file(site_name: str) -> Path:
    """Which file is locked; of an operator's checkouts all have the same."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state, "tomobeam", f"{site_name}.lock")
