"""`trust`: pins the SSH host keys of a site."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from paramiko.hostkeys import HostKeys

from tomobeam_deploy.hosts.preflight import key_name
from tomobeam_deploy.operator import Inventory
from tomobeam_deploy.site import Site, SiteError
from tomobeam_deploy.site.connection import known_hosts_file, ssh_port
from tomobeam_deploy.site.faults import did_you_mean

KIND = "ssh-ed25519"
ANSWER_LIMIT_S = 10


def trust(
    inventory: Inventory,
    hosts: Annotated[list[str] | None, typer.Argument(help="which; none: all")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="pin without asking")] = False,
) -> None:
    """Fetch the SSH host keys of hosts, show them, and pin those that you agree to."""
    site = Site.load(inventory)
    path = known_hosts_file(inventory)
    for host in hosts or site.hosts:
        if host not in site.hosts:
            raise SiteError(f"{inventory}: no host {host!r}{did_you_mean(host, site.hosts)}")
        name = key_name(site, inventory, host)
        key = fetch(host, str(site.hosts[host].address), ssh_port(inventory))
        pinned = pinned_key(path, name)
        if pinned == key:
            typer.echo(f"{host}: {name} is pinned already: {fingerprint(key)}")
            continue
        if pinned is not None:
            raise SiteError(
                f"{path}: {host} is pinned with {fingerprint(pinned)}, but {name} answers with "
                f"{fingerprint(key)}; unless it was installed anew, somebody stands in between. "
                f"Forget the old one by: ssh-keygen -f {path} -R '{name}'"
            )
        typer.echo(f"{host}: {name} has {fingerprint(key)}")
        if not yes:
            typer.echo("compare with, there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
            typer.confirm(f"pin it in {path}?", abort=True)
        pin(path, name, key)


def fetch(host: str, address: str, port: int) -> str:
    """The key that a host answers with, in base64.

    Raises:
        SiteError: it does not answer.
    """
    command = ["ssh-keyscan", "-t", "ed25519", "-T", str(ANSWER_LIMIT_S), "-p", str(port), address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [line.split() for line in done.stdout.splitlines() if not line.startswith("#")]
    keys = [words[2] for words in found if words[1:2] == [KIND]]
    if not keys:
        raise SiteError(f"{host}: no {KIND} key from {address}, port {port}: does sshd run there?")
    return keys[0]


def pinned_key(path: Path, name: str) -> str | None:
    """The key that is pinned for a name, in base64."""
    keys = HostKeys(str(path)).lookup(name) if path.is_file() else None
    key = keys.get(KIND) if keys else None
    return key.get_base64() if key else None


def fingerprint(key: str) -> str:
    """A key as OpenSSH shows it."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def pin(path: Path, name: str, key: str) -> None:
    """Add a key to a file of known hosts, which is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    ended = "" if not old or old.endswith("\n") else "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{ended}{name} {KIND} {key}\n")
