"""What a plan found on each host, written by pyinfra's process and read by `drift`'s."""

from __future__ import annotations

import json
import os
from pathlib import Path

Differences = dict[str, list[str]]
"""title → sentences, of every resource that differs"""

# Names the file, to which each host adds one line.
VARIABLE = "TOMOBEAM_DIFFERENCES"


def add(host: str, seen: Differences | str) -> None:
    """Report what a host lacks, or why it could not be looked at, if somebody wants to know."""
    path = os.environ.get(VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"host": host, "seen": seen}) + "\n")


def read(path: Path) -> dict[str, Differences | str]:
    """What was reported, by host."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line["host"]: line["seen"] for line in map(json.loads, lines)}
