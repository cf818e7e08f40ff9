"""Runs on a host as root: finds secrets in what an account can read there.

By standard input JSON: `needles`, by the secret's name texts that give it away; `account`; and
`places`, folders. Prints JSON [[where, mode, secret's name], …]. Places are searched with the
account's own rights, and so are the arguments and the environments of all processes. As root it
also asks systemd for everything that it knows of its units, and reads the whole journal. Nothing
is changed.
"""

import json
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

LARGEST = 4 * 2**20
# Environments of thousands of files that were made without any secret, and packed packages.
SKIPPED_FOLDERS = {"site-packages", "__pycache__"}
SKIPPED_FILES = (".deb", ".pyc", ".so")
TOLD = {
    "systemctl show": ("systemctl", "show", "--all", "*"),
    "systemctl cat": ("systemctl", "cat", "*"),
    # With every field, among which are the command lines.
    "journalctl": ("journalctl", "--no-pager", "--output=export"),
}


def become(account: str) -> None:
    """Give up root's rights for those of an account."""
    found = pwd.getpwnam(account)
    os.setgroups(os.getgrouplist(account, found.pw_gid))
    os.setgid(found.pw_gid)
    os.setuid(found.pw_uid)


def texts(places: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """What can be read: where, its mode, the content."""
    for place in places:
        for parent, folders, names in os.walk(place):
            folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
            for name in names:
                if not name.endswith(SKIPPED_FILES):
                    yield from read(Path(parent, name))
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            yield from read(process / "cmdline")
            yield from read(process / "environ")


def read(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """A file, if it is one and not for others only."""
    try:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST:
            yield str(path), f"{stat.S_IMODE(found.st_mode):o}", path.read_bytes()
    except OSError:
        # For others, or gone meanwhile.
        return


def told() -> Iterator[tuple[str, str, bytes]]:
    """What programs say."""
    for name, command in TOLD.items():
        yield name, "", subprocess.run(command, capture_output=True, check=False).stdout


def main() -> None:
    orders = json.load(sys.stdin)
    needles = [(name, n.encode()) for name, all_of in orders["needles"].items() for n in all_of]
    everything = texts(orders["places"])
    found = list(told()) if orders["account"] == "root" else []
    become(orders["account"])
    leaks = {
        (where, mode, name)
        for where, mode, content in chain(found, everything)
        for name, needle in needles
        if needle in content
    }
    print(json.dumps(sorted(leaks)))


if __name__ == "__main__":
    main()
