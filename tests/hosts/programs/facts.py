"""Runs on a host as root, with the Python of Debian: what the tests want to know of it.

Argument: JSON {"units": [...], "folders": [...], "paths": [...], "links": [...]}. Prints JSON.
Changes nothing.
"""

import grp
import json
import pwd
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

PROPERTIES = (
    "LoadState,ActiveState,UnitFileState,User,NoNewPrivileges,ProtectSystem,SystemCallFilter,"
    "MemoryMax,TasksMax"
)


def output(*command: str) -> str:
    """What a program says; nothing where the host does not have it."""
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def units(names: list[str]) -> dict:
    shown = output("systemctl", "show", "--property", PROPERTIES, "--", *names).strip()
    blocks = [dict(line.split("=", 1) for line in b.splitlines()) for b in shown.split("\n\n")]
    return dict(zip(names, blocks, strict=True))


def exposure(unit: str) -> float | None:
    """systemd's own measure of what a unit may do: 0 nothing, 10 everything; timers have none."""
    if not unit.endswith(".service"):
        return None
    line = output("systemd-analyze", "security", "--no-pager", unit).strip().rpartition("\n")[2]
    return float(line.split(":")[1].split()[0]) if ":" in line else None


def status(path: Path) -> dict:
    found = path.lstat()
    return {
        "mode": found.st_mode & 0o7777,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "folder": path.is_dir() and not path.is_symlink(),
    }


def files(folders: list[str], paths: list[str]) -> dict:
    """These paths, and everything in these folders."""
    found = chain(map(Path, [*folders, *paths]), *(Path(f).rglob("*") for f in folders))
    return {str(path): status(path) for path in found if path.is_symlink() or path.exists()}


def link(path: str) -> str | None:
    return str(Path(path).readlink()) if Path(path).is_symlink() else None


def accounts() -> dict:
    shadow = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    passwords = dict(line.split(":")[:2] for line in shadow)
    return {
        account.pw_name: {
            "uid": account.pw_uid,
            "gid": account.pw_gid,
            "home": account.pw_dir,
            "shell": account.pw_shell,
            "password": passwords.get(account.pw_name, "")[:1] not in ("!", "*"),
        }
        for account in pwd.getpwall()
    }


def listening() -> list:
    """TCP sockets that wait for connections: address, port, program."""
    found = []
    sockets = output("ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes")
    for line in sockets.splitlines():
        fields = line.split()
        address, _, port = fields[3].rpartition(":")
        program = fields[5].split('"')[1] if len(fields) > 5 else ""
        found.append([address.strip("[]").partition("%")[0], int(port), program])
    return found


def settings(text: str, between: str) -> dict:
    """The last value of each key; lines that begin with # or ; say nothing."""
    lines = [line.strip() for line in text.splitlines() if line[:1] not in ("#", ";", "[")]
    return dict(line.split(between, 1) for line in lines if between in line)


def firewall() -> list:
    listed = output("nft", "--json", "list", "ruleset")
    return json.loads(listed)["nftables"] if listed else []


def main() -> None:
    orders = json.loads(sys.argv[1])
    names, version = orders["units"], Path("/etc/tomobeam/version")
    with ThreadPoolExecutor(4) as pool:
        exposures = dict(zip(names, pool.map(exposure, names), strict=True))
    answer = {
        "units": units(names),
        "exposures": exposures,
        "failed": output("systemctl", "--failed", "--no-legend", "--plain").splitlines(),
        "files": files(orders["folders"], orders["paths"]),
        "links": {path: link(path) for path in orders["links"]},
        "accounts": accounts(),
        "groups": {g.gr_name: {"gid": g.gr_gid, "members": g.gr_mem} for g in grp.getgrall()},
        "listening": listening(),
        "sshd": settings(output("/usr/sbin/sshd", "-T"), " "),
        "firewall": firewall(),
        "journal": settings(output("systemd-analyze", "cat-config", "systemd/journald.conf"), "="),
        "version": json.loads(version.read_text(encoding="utf-8")) if version.exists() else None,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
