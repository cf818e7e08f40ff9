"""What the lab keeps between runs: keys, settings and the base image, under `build/lab`.

Whose hosts the lab on this machine are is kept there too, for every command after `up`.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tomobeam_deploy.lab.model import INVENTORY, Lab, LabError
from tomobeam_deploy.templates import ROOT, render_names

STATE = ROOT / "build" / "lab"

KEY = STATE / "operator_ed25519"
KNOWN_HOSTS = STATE / "known_hosts"
SSH_CONFIG = STATE / "ssh_config"
SUDO_PASSWORD = STATE / "sudo_password"
CONTAINERS_CONF = STATE / "containers.conf"
SECCOMP = STATE / "seccomp.json"
IMAGES = STATE / "images"
HOST_KEYS = STATE / "host_keys"
AGE_KEY = STATE / "agekey"
SECRETS = STATE / "secrets"
RUNNING = STATE / "inventory"

LOCK = Path("/run/lock/tomobeam-lab.lock")

# A privileged container may otherwise set the clock of the machine that it runs on.
CLOCK_CALLS = (
    "clock_settime",
    "clock_settime64",
    "settimeofday",
    "stime",
    "clock_adjtime",
    "clock_adjtime64",
    "adjtimex",
)


def host_key(name: str) -> Path:
    """The private host key of a lab host; `.pub` beside it."""
    return HOST_KEYS / f"{name}_ed25519"


def running_inventory() -> Path:
    """Whose hosts the lab on this machine are: of the last `up`, or else those of `make lab`."""
    return Path(RUNNING.read_text(encoding="utf-8")) if RUNNING.exists() else INVENTORY


def running() -> Lab:
    """The lab that was started last, whether it is up or not.

    Raises:
        SiteError: its inventory is wrong by now.
        LabError: it can be no lab.
    """
    return Lab.of(running_inventory())


def write_podman_settings() -> None:
    """Write what podman is run with."""
    _folder(STATE)
    _write(CONTAINERS_CONF, render_names("lab/containers.conf.j2", {}))
    forbidden = {"names": list(CLOCK_CALLS), "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    _write(SECCOMP, json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [forbidden]}))


def write_state(lab: Lab) -> None:
    """Generate what is missing (keys and the password are kept), and write the settings anew."""
    _folder(STATE)
    _folder(HOST_KEYS)
    _key_pair(KEY, f"{lab.user}@tomobeam-lab")
    for host in lab.hosts:
        _key_pair(host_key(host.name), f"root@{host.name}")
    if not SUDO_PASSWORD.exists():
        _write(SUDO_PASSWORD, secrets.token_urlsafe(18) + "\n", 0o600)
    known = [f"{host.name},{host.address} {_public(host_key(host.name))}\n" for host in lab.hosts]
    _write(KNOWN_HOSTS, "".join(known))
    names = {"lab": lab, "key": KEY, "known_hosts": KNOWN_HOSTS}
    _write(SSH_CONFIG, render_names("lab/ssh_config.j2", names))
    _write(RUNNING, str(lab.inventory))


def public_key() -> str:
    """The line by which a host lets the operator in."""
    return KEY.with_suffix(".pub").read_text(encoding="utf-8")


def _folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


def _public(key: Path) -> str:
    kind, value, *_ = key.with_suffix(".pub").read_text(encoding="utf-8").split()
    return f"{kind} {value}"


def _key_pair(path: Path, comment: str) -> None:
    if path.exists() and path.with_suffix(".pub").exists():
        return
    path.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


@contextmanager
def lab_lock() -> Iterator[None]:
    """Hold the lab of this machine; the lock ends with its process, whatever ended that.

    Raises:
        LabError: another process is starting or clearing it.
    """
    with LOCK.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LabError(
                f"another tomobeam-lab (process {file.read().strip()}) is at work; wait for it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
