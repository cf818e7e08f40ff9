"""Runs on a host as root: looks for this host's secrets wherever everybody may read.

Argument: JSON {"secrets": [folders], "places": [folders]}. Prints JSON {"leaks": [[place, secret's
file], ...], "secrets": how many were looked for}. The values stay on the host, and nothing is
changed.
"""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LARGEST = 4 * 2**20
# Shorter ones are found by chance.
SHORTEST = 12
# The last lines that our units logged.
LOG = ("journalctl", "--no-pager", "--output=cat", "--lines=20000", "--unit=tomobeam-*")


def secrets(folders: list[str]) -> dict[str, bytes]:
    """Of each secret a line that makes it known: a password's only one, a key's longest."""
    found = {}
    for path in (path for folder in folders for path in Path(folder).rglob("*") if path.is_file()):
        lines = [x for x in path.read_bytes().splitlines() if not x.startswith(b"-----")]
        longest = max(lines, key=len, default=b"")
        if len(longest) >= SHORTEST:
            found[str(path)] = longest
    return found


def may(path: Path, right: int) -> bool:
    """Whether everybody has that right; no where it went away meanwhile."""
    try:
        return bool(path.lstat().st_mode & right)
    except FileNotFoundError:
        return False


def public(place: str) -> Iterator[Path]:
    """The files below a folder that everybody may reach and read."""
    for parent, folders, names in os.walk(place):
        folders[:] = [name for name in folders if may(Path(parent, name), stat.S_IXOTH)]
        yield from (path for path in (Path(parent, n) for n in names) if may(path, stat.S_IROTH))


def content(path: Path) -> bytes:
    try:
        # Sockets and pipes hold nothing, and logs of many gigabytes are not for this.
        if not path.is_file() or path.stat().st_size > LARGEST:
            return b""
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def readable(places: list[str]) -> Iterator[tuple[str, bytes]]:
    """Files that everybody may read, command lines, and what was logged."""
    for place in places:
        yield from ((str(path), content(path)) for path in public(place))
    for process in (path for path in Path("/proc").iterdir() if path.name.isdigit()):
        yield str(process / "cmdline"), content(process / "cmdline")
    yield "the journal", subprocess.run(LOG, capture_output=True, check=True).stdout


def main() -> None:
    orders = json.loads(sys.argv[1])
    values = secrets(orders["secrets"])
    leaks = [
        [place, name]
        for place, text in readable(orders["places"])
        for name, value in values.items()
        if value in text
    ]
    print(json.dumps({"leaks": leaks, "secrets": len(values)}))


if __name__ == "__main__":
    main()
