"""Asking hosts over SSH, each question once: one program is sent, and its answer is JSON."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from testinfra.backend.base import CommandResult
from testinfra.backend.ssh import SshBackend
from testinfra.host import Host as Connection

from tests.hosts import expected
from tests.hosts.expected import (
    health_urls,
    ports_to_try,
    sandboxed_units,
    secret_places,
    tls_servers,
)
from tests.hosts.programs.scan import scan
from tomobeam_deploy.hosts.target import CA, ETC, OPT, Target
from tomobeam_deploy.operator import PASSWORD_OPTION
from tomobeam_deploy.site import Site
from tomobeam_deploy.site.connection import connection_settings, openssh_options

PROGRAMS = Path(__file__).parent / "programs"
# Everything of these that everybody may read is searched for secrets.
PUBLIC = ("/etc", "/home", "/run", "/tmp", "/usr/local", "/var/log", "/var/tmp")
SCAN_LIMIT_S = 3.0
# What sudo says where it may not ask.
NO_PASSWORD = "a password is required"


class Operator(SshBackend):
    """OpenSSH as the operator, who becomes root: by a password where sudo asks for one."""

    def __init__(self, address: str, options: list[str], password: str | None) -> None:
        super().__init__(address, ssh_extra_args=shlex.join(options), sudo=True)
        self._password = password

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """A password is read from standard input, as everyone can read arguments."""
        sudo = "sudo --non-interactive" if self._password is None else "sudo --stdin --prompt=''"
        return self.quote(f"{sudo} /bin/sh -c %s", command)

    def run_local(self, command: str, *args: str) -> CommandResult:
        line = self.encode(self.quote(command, *args))
        typed = "" if self._password is None else f"{self._password}\n"
        done = subprocess.run(
            ["sh", "-c", line], input=typed.encode(), capture_output=True, check=False
        )
        return self.result(done.returncode, line, done.stdout, done.stderr)


def connect(
    site: Site, inventory: Path, sockets: Path, password: str | None
) -> dict[str, Connection]:
    """A connection of testinfra to each host; the keys are checked against the inventory's pins.

    Args:
        site: whose hosts.
        inventory: beside which the connection settings are.
        sockets: a folder of one's own, with a short path.
        password: what sudo asks the operator for; None: nothing.
    """
    options = [
        *openssh_options(connection_settings(inventory).get),
        "-oLogLevel=ERROR",
        "-oControlMaster=auto",
        "-oControlPersist=30s",
        f"-oControlPath={sockets}/%C",
    ]
    addresses = {name: host.address for name, host in site.hosts.items()}
    return {
        name: Connection(Operator(f"[{a}]" if a.version == 6 else str(a), options, password))
        for name, a in addresses.items()
    }


class Questions:
    """What hosts answered; every question goes to all of them at once, when it is first needed."""

    def __init__(self, site: Site, connections: Mapping[str, Connection]) -> None:
        self.site, self._connections = site, connections

    @cached_property
    def facts(self) -> dict[str, Future[Any]]:
        """Units, files, accounts, sockets, and settings of what is Debian's."""

        def orders(host: str) -> dict[str, Any]:
            services = expected.target_of(self.site, host).processes.values()
            units = [*expected.units(self.site, host), *chain(*map(sandboxed_units, services))]
            return {
                "units": list(dict.fromkeys(units)),
                "folders": [str(ETC)],
                "paths": [str(process.placement.state) for process in services],
                "links": [f"{OPT}/{process.name}/current" for process in services],
            }

        return self._ask_all("facts", orders)

    @cached_property
    def leaks(self) -> dict[str, Future[Any]]:
        """Where everybody can read a secret."""
        places = [*PUBLIC, str(self.site.data.state)]
        return self._ask_all(
            "leaks",
            lambda host: {"secrets": secret_places(self.site, host), "places": places},
        )

    @cached_property
    def open(self) -> dict[str, Future[Any]]:
        """The ports of all other hosts that let a host connect."""

        def orders(source: str) -> dict[str, Any]:
            others = [name for name in self.site.hosts if name != source]
            return {"addresses": self.to_try(others), "limit_s": SCAN_LIMIT_S}

        return self._ask_all("scan", orders)

    @cached_property
    def tls(self) -> dict[str, Future[Any]]:
        """What the TLS of a host's servers is."""

        def orders(host: str) -> dict[str, Any]:
            names = [*self.site.names_of(host), str(self.site.hosts[host].address)]
            servers = tls_servers(self.site, host)
            return {"ca": str(CA), "servers": servers, "names": names}

        return self._ask_all("tls", orders)

    @cached_property
    def health(self) -> dict[str, Future[Any]]:
        """What services say about themselves."""
        return self._ask_all(
            "http", lambda host: {"ca": str(CA), "urls": health_urls(self.site, host)}
        )

    def to_try(self, hosts: Iterable[str]) -> list[tuple[str, int]]:
        """Address and port of all that a scan of these hosts asks for."""
        return [
            (str(self.site.hosts[host].address), port)
            for host in hosts
            for port in ports_to_try(self.site, host, self._listening(host))
        ]

    def _listening(self, host: str) -> list[tuple[str, int, str]]:
        """Nothing of a host that could not be asked, which its own tests tell."""
        facts = self.facts[host]
        return [] if facts.exception() else facts.result()["listening"]

    def scan_from_here(self, tried: list[tuple[str, int]]) -> tuple[str, list[tuple[str, int]]]:
        """The address by which this machine reaches those hosts, and what lets it connect."""
        with socket.socket(type=socket.SOCK_DGRAM) as probe:
            # Sends nothing; the kernel chooses the way.
            probe.connect(tried[0])
            here = probe.getsockname()[0]
        return here, asyncio.run(scan(tried, SCAN_LIMIT_S))

    def _ask_all(self, program: str, orders: Callable[[str], Any]) -> dict[str, Future[Any]]:
        return self._ask(program, {host: orders(host) for host in self.site.hosts})

    def ask(self, host: str, program: str, order: Any) -> Any:
        """One host, one program."""
        return self._ask(program, {host: order})[host].result()

    def _ask(self, program: str, orders: Mapping[str, Any]) -> dict[str, Future[Any]]:
        text = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
        with ThreadPoolExecutor(max(1, len(orders))) as pool:
            return {
                host: pool.submit(_answer, self._connections[host], text, order)
                for host, order in orders.items()
            }


def _answer(connection: Connection, program: str, order: Any) -> Any:
    try:
        done = connection.run("python3 -c %s %s", program, json.dumps(order))
    except RuntimeError as error:
        # testinfra's, with the whole command before what ssh said.
        raise ConnectionError(error.args[0].stderr.strip()) from None
    hint = f"; give it: {PASSWORD_OPTION}" if NO_PASSWORD in done.stderr else ""
    assert done.rc == 0, done.stderr.strip() + hint
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Reached:
    """A host: what it has to be, and what it is."""

    name: str
    site: Site
    questions: Questions

    @property
    def target(self) -> Target:
        """As the roles see it."""
        return expected.target_of(self.site, self.name)

    @property
    def facts(self) -> dict[str, Any]:
        """What programs/facts.py tells."""
        return self.questions.facts[self.name].result()

    def ask(self, program: str, order: Any) -> Any:
        """The answer of a program that is only for this host."""
        return self.questions.ask(self.name, program, order)
