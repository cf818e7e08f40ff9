"""Prints as JSON which releases of our services a host has; it runs there, by Python alone.

Its arguments are the folders of the services, and of what their units recorded at their start.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

LINKS = ("current", "previous", "undone")


def look(services: Path, started: Path) -> dict[str, dict[str, Any]]:
    """By service the links, what its unit was started from, and what is unpacked."""
    homes = [path for path in sorted(services.glob("*")) if (path / "releases").is_dir()]
    return {
        home.name: {
            **{link: _name(home / link) for link in LINKS},
            "started": _started(started / f"tomobeam-{home.name}.service"),
            "unpacked": [
                {"name": path.name, "at": path.stat().st_mtime_ns}
                for path in sorted((home / "releases").iterdir())
                if path.suffix != ".part"
            ],
        }
        for home in homes
    }


def _name(link: Path) -> str | None:
    return os.path.basename(link.readlink()) if link.is_symlink() else None  # noqa: PTH119


def _started(record: Path) -> str | None:
    """The release, which a unit records in its last line."""
    if not record.exists():
        return None
    last = record.read_text(encoding="utf-8").splitlines()[-1:]
    found = [line.removeprefix("releases/") for line in last if line.startswith("releases/")]
    return found[0] if found else None


if __name__ == "__main__":
    print(json.dumps(look(*map(Path, sys.argv[1:]))))  # noqa: T201
