"""A broken configuration is refused by the program that would run with it; nothing changes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from types import ModuleType

import pytest

from roles.base import deploy as base
from roles.firewall import deploy as firewall
from roles.front_door import deploy as front_door
from roles.postgresql import deploy as postgresql
from tests.deploy.conftest import LIMIT_S, Operator
from tests.deploy.hosts import at, difference, runs, state
from tests.unit.roles.named_secrets import target
from tomobeam_deploy import lab
from tomobeam_deploy.hosts.resources import File
from tomobeam_deploy.on_host import COMMAND, orders
from tomobeam_deploy.site import Site

pytestmark = pytest.mark.timeout(LIMIT_S)


@dataclass(frozen=True)
class Broken:
    """A file of a role with lines that make it a bad one, and what is said of it."""

    role: ModuleType
    path: str
    host: str
    by: str
    reason: str
    last: str = ""
    first: str = ""

    def file(self, site: Site) -> File:
        """As the role asks for it, but for these lines; none of these holds a secret."""
        [asked] = [
            resource
            for resource in self.role.configure(target(site, self.host))
            if isinstance(resource, File) and resource.path == self.path
        ]
        content = self.first.encode() + asked.content + self.last.encode()
        return replace(asked, content=content)


CASES = [
    Broken(firewall, firewall.RULES, "web", "nft", "syntax error", last="nonsense\n"),
    Broken(
        front_door,
        front_door.CONFIG,
        "web",
        "caddy",
        "nonsense",
        last="http://:1 {\n\tnonsense\n}\n",
    ),
    Broken(
        *(postgresql, postgresql.SETTINGS, "control", "PostgreSQL"),
        reason="shared_buffers",
        last="shared_buffers = plenty\n",
    ),
    Broken(
        *(postgresql, postgresql.ACCESS, "control", "PostgreSQL"),
        reason="nonsense",
        last="nonsense all all scram-sha-256\n",
    ),
    Broken(base, base.SSHD, "web", "sshd", "Bad configuration option", last="Nonsense yes\n"),
    Broken(
        *(base, base.SSHD, "web", "sshd"),
        reason="sshd refuses keys to deploy from",
        first="PubkeyAuthentication no\n",
    ),
]


@pytest.mark.parametrize(
    "broken", CASES, ids=["nft", "caddy", "postgresql", "pg_hba", "sshd", "no way back"]
)
def test_a_broken_file_is_refused_by_who_would_read_it_and_nothing_changes(
    platform: Operator, broken: Broken
) -> None:
    host, file = broken.host, broken.file(platform.site)
    before, ran, digest = state(host), runs(host), at(host, f"sha256sum {file.path}")

    # What pyinfra has the host do in a deploy.
    order = orders("apply", [file.wanted() | file.payload()])
    command = shlex.join(["sudo", "--non-interactive", *COMMAND])
    done = lab.run(host, command, stdin=order.encode())
    said = done.stderr.decode()
    assert done.returncode == 1, said
    assert f"{file.path}: refused by {broken.by}; what is there stays: " in said
    assert broken.reason in said.partition("what is there stays: ")[2]

    assert at(host, f"sha256sum {file.path}") == digest
    assert runs(host) == ran
    assert difference(before, state(host)) == {}
