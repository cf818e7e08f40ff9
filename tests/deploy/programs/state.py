"""Says as JSON what deploys have made of this host; run as root, Python's own library only.

What differs between two hosts that were deployed alike is left out: times, process numbers, which
older releases there are.
"""

import grp
import hashlib
import json
import pwd
import stat
import subprocess
from pathlib import Path

WRITTEN = (
    "/etc/caddy",
    "/etc/postgresql",
    "/etc/ssh/sshd_config.d",
    "/etc/systemd",
    "/etc/tomobeam",
    "/usr/local/bin",
    "/usr/sbin/policy-rc.d",
)
OPT = Path("/opt/tomobeam")
UNITS = Path("/etc/systemd/system")
DEBIAN_UNITS = ("caddy.service", "postgresql@15-main.service", "ssh.service")
# What a run that is killed may leave, and the next one has to clear away.
LEFT = ("opt/tomobeam/*/*.part", "opt/tomobeam/*/releases/*.part", "home/*/.tomobeam/*")


def entry(path: Path) -> list[str]:
    """Mode, owner, group, and what is in it or where it points to."""
    found = path.lstat()
    owner, group = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
    content = ""
    if path.is_symlink():
        content = str(path.readlink())
    elif path.is_file():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return [oct(stat.S_IMODE(found.st_mode)), owner, group, content]


def files() -> dict[str, list[str]]:
    roots = [path for path in map(Path, WRITTEN) if path.exists()]
    below = [path for root in roots for path in root.rglob("*")]
    return {str(path): entry(path) for path in sorted([*roots, *below])}


def run(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def unit(name: str) -> list[str]:
    properties = ("LoadState", "UnitFileState", "ActiveState", "NeedDaemonReload")
    return run("systemctl", "show", name, *(f"--property={each}" for each in properties))


def main() -> None:
    units = [*DEBIAN_UNITS, *(path.name for path in UNITS.glob("tomobeam-*") if path.is_file())]
    accounts = Path("/etc/passwd").read_text() + Path("/etc/group").read_text()
    said = {
        "files": files(),
        "current": {str(link): str(link.readlink()) for link in sorted(OPT.glob("*/current"))},
        "left": sorted(str(path) for pattern in LEFT for path in Path("/").glob(pattern)),
        "units": {name: unit(name) for name in sorted(units)},
        "failed": run("systemctl", "--failed", "--no-legend", "--plain"),
        "packages": run("dpkg-query", "--show", "--showformat=${Package} ${Version} ${Status}\n"),
        "accounts": sorted(line for line in accounts.splitlines() if "tomobeam" in line),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
