"""What a host says of itself at a glance; nothing is changed, and nothing is waited for long."""

from __future__ import annotations

import os
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tomobeam_deploy.on_host.addresses import connect, get
from tomobeam_deploy.on_host.running import run
from tomobeam_deploy.on_host.units import STARTED

# A file server that is away lets whoever asks for its disk wait for ever.
LIMIT_S = 6
PROPERTIES = (
    "LoadState",
    "UnitFileState",
    "ActiveState",
    "Result",
    "NRestarts",
    "ActiveEnterTimestamp",
    "InactiveEnterTimestamp",
)
# In /proc/net/tcp.
ESTABLISHED = "01"


def report(
    units: list[str],
    links: list[str],
    addresses: Mapping[str, str | None],
    folders: list[str],
    files: list[str],
) -> dict[str, Any]:
    """Answer all questions at once.

    Args:
        units: of which systemd's properties are told, and what they recorded at their start.
        links: of which it is told where they point.
        addresses: http:, https: or tcp:, and the file with the authority for https.
        folders: of which disk is told how large it is, and how much of it is free, in bytes.
        files: texts.

    Returns:
        By these names what was found, each by what was asked for; None where there is nothing.
        Of an address `code`, `body` or a `fault`; of a folder bytes or a `fault`. Besides `now`
        (seconds since 1970), `started` and `connections` (how many each local port has).
    """
    waited = {
        **{("addresses", url): partial(_answer, url, ca) for url, ca in addresses.items()},
        **{("folders", path): partial(_space, path) for path in folders},
    }
    slow = _at_once(waited)
    return {
        "now": time.time(),
        "units": _units(units),
        "started": {unit: _text(STARTED / unit) for unit in units},
        "links": {path: _target(path) for path in links},
        "addresses": {url: slow["addresses", url] for url in addresses},
        "folders": {path: slow["folders", path] for path in folders},
        "files": {path: _text(Path(path)) for path in files},
        "connections": _connections(),
    }


def _at_once(
    questions: Mapping[tuple[str, str], Callable[[], dict[str, Any]]],
) -> dict[tuple[str, str], dict[str, Any]]:
    """Ask side by side; whoever does not answer in time is not waited for, also at the end."""
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def ask(key: tuple[str, str]) -> None:
        found[key] = questions[key]()

    threads = [threading.Thread(target=ask, args=(key,), daemon=True) for key in questions]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + LIMIT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = {"fault": f"did not answer in {LIMIT_S} s"}
    return {key: found.get(key, late) for key in questions}


def _answer(url: str, ca: str | None) -> dict[str, Any]:
    try:
        if url.startswith("tcp:"):
            connect(url)
            return {"code": 200, "body": ""}
        return {"code": 200, "body": get(url, ca).decode(errors="replace")}
    except urllib.error.HTTPError as error:
        return {"code": error.code, "body": error.read(300).decode(errors="replace")}
    except urllib.error.URLError as error:
        return {"fault": str(error.reason)}
    except (OSError, ValueError) as error:
        return {"fault": str(error)}


def _space(folder: str) -> dict[str, Any]:
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        return {"fault": error.strerror or str(error)}
    return {"size": disk.f_blocks * disk.f_frsize, "free": disk.f_bavail * disk.f_frsize}


def _units(names: list[str]) -> dict[str, dict[str, str]]:
    done = run(
        *("systemctl", "show", "--timestamp=unix", f"--property={','.join(PROPERTIES)}", "--"),
        *names,
    )
    # One block a unit, in the order in which they were asked for.
    blocks = done.stdout.strip("\n").split("\n\n")
    shown = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
    return dict(zip(names, shown, strict=True))


def _target(link: str) -> str | None:
    try:
        return os.readlink(link)  # noqa: PTH115 - as in `points_to`
    except OSError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _connections() -> dict[str, int]:
    ports: Counter[str] = Counter()
    for family in ("tcp", "tcp6"):
        lines = (_text(Path("/proc/net", family)) or "").splitlines()[1:]
        ends = (line.split() for line in lines)
        local = (end[1].rpartition(":")[2] for end in ends if end[3] == ESTABLISHED)
        ports.update(str(int(port, 16)) for port in local)
    return dict(ports)
