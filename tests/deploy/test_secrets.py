"""No secret is said, logged, shown among processes or left for others to read.

A rotation makes the deploy write secrets, while everything that it says is read along; and it
restarts what uses the rotated secret, and nothing else.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from unittest import mock
from urllib.parse import quote as url_quote

import pytest

from tests.deploy.conftest import INVENTORY, LIMIT_S, Operator
from tests.deploy.hosts import PROGRAMS, at, runs
from tests.hosts.expected import target_of
from tomobeam_deploy import age_keys, tls
from tomobeam_deploy.catalogue import services_on_hosts
from tomobeam_deploy.hosts.target import ETC
from tomobeam_deploy.in_memory import MEMORY
from tomobeam_deploy.renderers.systemd import Once, unit_name
from tomobeam_deploy.secrets import PGPASS_PREFIX
from tomobeam_deploy.site import Accounts, Group
from tomobeam_deploy.vault import Vault

pytestmark = pytest.mark.timeout(2 * LIMIT_S)

# Nobody uses it but Tiled, which knows it by heart.
ROTATED = "tiled-key-monitoring"
# Shorter lines are found by chance.
SHORTEST = 12
# Left out is what only Debian's packages write, /boot and the rest of /usr: none of our services
# may, and reading it takes minutes. What /proc tells of processes is read besides.
PLACES = (
    *("/dev/shm", "/etc", "/home", "/opt", "/root"),
    *("/run", "/srv", "/tmp", "/usr/local", "/var"),
)
# What systemd hands to a service, and what that makes of it.
HANDED = ("/proc/", "/run/credentials/")
# For the members of the producers' group.
PRODUCERS = f"{ETC}/reconstruction/producer-password"
SAID_BY = (
    f"pyinfra {INVENTORY} debug-inventory",
    f"pyinfra {INVENTORY} debug-inventory --json",
    f"pyinfra {INVENTORY} deploy/all.py --debug-operations",
    f"pyinfra {INVENTORY} deploy/all.py --debug-operations --json",
    f"pyinfra {INVENTORY} deploy/all.py --dry --diff -vvv --debug-all",
    f"pyinfra {INVENTORY} deploy/all.py --dry --json",
    f"tomobeam-site secrets list {INVENTORY}",
    f"tomobeam-site check {INVENTORY}",
    f"tomobeam-site status {INVENTORY} --json",
    f"tomobeam-site drift {INVENTORY}",
)
Needles = dict[str, list[str]]
"""by the name of each secret, texts of which each gives it away"""
Readable = Callable[[str, str], list[tuple[str, str, str]]]
"""what an account can read on a host: where, its mode, the secret's name"""


def needles(*vaults: Vault) -> Needles:
    found: dict[str, set[str]] = {}
    public = ""
    for vault in vaults:
        for name in vault.names():
            value = vault.get(name)
            if name == tls.CA_CERT or name.startswith(tls.cert_name("")):
                public += value
            else:
                found.setdefault(name, set()).update(_forms(value))
    # A key's public half stands in its certificate, to the letter if it happens to fit.
    return {name: sorted(x for x in forms if x not in public) for name, forms in found.items()}


def _forms(value: str) -> Iterator[str]:
    lines = [line for line in value.splitlines() if not line.startswith("-----")]
    yield from (line for line in lines if len(line) >= SHORTEST)
    if len(lines) == 1:
        yield value.encode().hex()
        yield base64.b64encode(value.encode()).decode().rstrip("=")
        yield url_quote(value, safe="")


def leaked(said: str, of: Needles) -> list[str]:
    return [name for name, forms in of.items() if any(form in said for form in forms)]


@contextmanager
def watching(of: Needles) -> Iterator[set[tuple[str, str]]]:
    """Look again and again at the arguments of all processes: the lab's too, as it runs here."""
    found: set[tuple[str, str]] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    arguments = path.read_bytes().decode(errors="replace")
                except OSError:
                    continue
                found.update((arguments[:40], name) for name in leaked(arguments, of))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


@dataclass
class Rotation:
    """What became of deploys before, with and after a rotated secret."""

    of: Needles
    said: dict[str, str] = field(default_factory=dict)
    before: dict[str, dict[str, str]] = field(default_factory=dict)
    after: dict[str, dict[str, str]] = field(default_factory=dict)
    among_processes: set[tuple[str, str]] = field(default_factory=set)


@pytest.fixture(scope="module")
def rotation(platform: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotation]:
    """Rotate a secret in a copy of the site's, and deploy; then again what was before."""
    key = {age_keys.KEY_VARIABLE: platform.environment[age_keys.KEY_VARIABLE]}
    with mock.patch.dict(os.environ, key):
        yield from _rotation(platform, tmp_path_factory)


def _rotation(platform: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotation]:
    old = Vault.load(platform.site.name)
    scratch = tmp_path_factory.mktemp("secrets")
    for path in age_keys.SECRETS.glob(f"{platform.site.name}.*"):
        shutil.copy(path, scratch)
    operator = replace(
        platform, environment=platform.environment | {age_keys.SECRETS_VARIABLE: str(scratch)}
    )

    def say(line: str, ok: int | None = 0) -> None:
        done = operator.run(line, ok=ok)
        made.said[line] = done.stdout + done.stderr

    platform.deploy()
    rotate = f"tomobeam-site secrets rotate {INVENTORY} {ROTATED}"
    said = operator.run(rotate)
    made = Rotation(needles(old, Vault.load(platform.site.name, scratch)))
    made.said[rotate] = said.stdout + said.stderr
    try:
        for line in SAID_BY:
            say(line, ok=None)
        made.before = {host: runs(host) for host in platform.site.hosts}
        with watching(made.of) as among_processes:
            say(operator.deploying("-vvv --diff --debug-all"))
        made.among_processes = among_processes
        made.after = {host: runs(host) for host in platform.site.hosts}
    finally:
        # Writes the old secret again, so that this is said of a deploy that does something too.
        back = platform.deploying("--json")
        done = platform.run(back)
        made.said[back] = done.stdout + done.stderr
    yield made


def test_only_what_uses_a_rotated_secret_restarts(rotation: Rotation, platform: Operator) -> None:
    services = services_on_hosts(platform.site).values()
    by_timers = {unit_name(service.name) for service in services if service.every_s}
    restarted = {
        (host, unit)
        for host, units in rotation.after.items()
        for unit, run in units.items()
        if rotation.before[host].get(unit) != run and unit not in by_timers
    }
    storage = platform.site.host_of("tiled")
    # What prepares Tiled is given all that Tiled is.
    tiled = {unit_name("tiled"), unit_name("tiled", Once.PREPARE)}
    assert restarted <= {(storage, unit) for unit in tiled}
    assert (storage, unit_name("tiled")) in restarted


def test_nothing_that_an_operator_is_told_holds_a_secret(rotation: Rotation) -> None:
    assert all(rotation.said.values())
    leaks = {line: leaked(said, rotation.of) for line, said in rotation.said.items()}
    assert {line: names for line, names in leaks.items() if names} == {}
    # They were really written, and really much was said.
    [applied] = [said for line, said in rotation.said.items() if "-y -vvv" in line]
    assert f"/etc/tomobeam/tiled/secrets/{ROTATED}: content differs" in applied
    assert "operation run" in applied
    [counted] = [said for line, said in rotation.said.items() if "-y --json" in line]
    told, _ = json.JSONDecoder().raw_decode(counted.lstrip())
    assert told["results"]["totals"]["success"] > 0


def test_no_process_was_given_a_secret_as_an_argument(rotation: Rotation) -> None:
    assert rotation.among_processes == set()


def test_the_controller_keeps_no_secret_in_clear(rotation: Rotation, platform: Operator) -> None:
    kept = [
        MEMORY,
        Path(tempfile.gettempdir()),
        platform.tree / "build",
        platform.tree / "inventories",
    ]
    found = [
        (str(path), name)
        for place in kept
        for path in _small_files(place)
        for name in leaked(path.read_bytes().decode(errors="replace"), rotation.of)
    ]
    assert found == []


def _small_files(place: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name not in ("site-packages", "images")]
        for path in (Path(parent, name) for name in names):
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**20:
                yield path


@pytest.fixture(scope="module")
def readable(rotation: Rotation) -> Readable:
    program = quote((PROGRAMS / "readable.py").read_text(encoding="utf-8"))

    def ask(host: str, account: str) -> list[tuple[str, str, str]]:
        orders = {"needles": rotation.of, "account": account, "places": PLACES}
        said = at(host, f"python3 -c {program}", stdin=json.dumps(orders).encode())
        return [(where, mode, name) for where, mode, name in json.loads(said)]

    return ask


def test_others_read_no_secret_on_any_host(readable: Readable, platform: Operator) -> None:
    found = {host: readable(host, "nobody") for host in platform.site.hosts}
    assert {host: leaks for host, leaks in found.items() if leaks} == {}


def test_files_with_secrets_are_for_their_owner_only(
    readable: Readable, platform: Operator
) -> None:
    site = platform.site
    found = [(host, *each) for host in site.hosts for each in readable(host, "root")]
    handed = {mode for _, where, mode, _ in found if where.startswith(HANDED)}
    assert handed == {"400"}
    files = {(host, where): mode for host, where, mode, _ in found if not where.startswith(HANDED)}
    # Among them are no units, no logs, and nothing that a service wrote.
    assert [where for _, where in files if not where.startswith(f"{ETC}/")] == []
    producers = {(host, PRODUCERS) for host in site.members(Group.RECONSTRUCTION)}
    assert {key for key, mode in files.items() if mode != "600"} == producers
    assert {files[key] for key in producers} == {"640"}


def test_a_service_reads_its_own_secrets_only(readable: Readable, platform: Operator) -> None:
    for host in platform.site.hosts:
        for process in target_of(platform.site, host).processes.values():
            named = {*process.credentials.values(), *process.provision_credentials.values()}
            own = {name.replace(PGPASS_PREFIX, "db-") for name in named}
            found = {name for _, _, name in readable(host, Accounts.name(process.name))}
            assert found <= own, process.name
            assert found, process.name
