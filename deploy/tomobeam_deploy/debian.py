"""The Debian whose packages the hosts get: its suite, and where this machine fetches it from."""

from __future__ import annotations

import os
from pathlib import Path

SUITE = "bookworm"
VARIABLE = "TOMOBEAM_DEBIAN_SOURCES"
CANDIDATES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


class NoSourcesError(RuntimeError):
    """This machine does not say where Debian's packages come from."""


def sources_file() -> Path:
    """The file with the machine's own Debian mirror (the site's, where it has one).

    `TOMOBEAM_DEBIAN_SOURCES` names another; third parties' sources beside it are not used.

    Raises:
        NoSourcesError: there is none, or it does not offer the hosts' suite.
    """
    named = os.environ.get(VARIABLE)
    candidates = (Path(named),) if named else CANDIDATES
    for path in candidates:
        if path.is_file() and SUITE in path.read_text(encoding="utf-8"):
            return path.resolve()
    raise NoSourcesError(
        f"{' and '.join(map(str, candidates))}: no source of Debian {SUITE}; "
        f"name a file that has one in {VARIABLE}"
    )
