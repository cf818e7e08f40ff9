"""Deploys that are killed, and run again: hosts end as if nothing had happened."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

import pytest

from tests.deploy.begun import Begun
from tests.deploy.conftest import INVENTORY, LIMIT_S, Operator, start
from tests.deploy.hosts import at, difference, provisioned, states
from tomobeam_deploy import age_keys

pytestmark = pytest.mark.timeout(2 * LIMIT_S)

ARRIVING = '[ -n "$(find /home/deploy/.tomobeam -type f -size +1M)" ]'
EVENT_LIMIT_S = 60
# Hosts say which resource they begin with only to who wants to know all.
LOUD = "-vvv"


@dataclass(frozen=True)
class Moment:
    """When a deploy is killed: once it says this and, where that is too early, a host is so far."""

    said: str
    host: str = ""
    so_far: str = ""

    def wait(self, deploy: Begun) -> None:
        deploy.until(self.said)
        if self.so_far:
            # The host itself asks over and over: another console takes longer than some events.
            asking = f"until {self.so_far}; do sleep 0.01; done"
            at(self.host, f"timeout {EVENT_LIMIT_S} sh -c {quote(asking)}")


def begins(host: str, resource: str) -> str:
    """What a deploy says when a host begins to put right a resource."""
    return rf"\[{host}\]\s+{resource}$"


def lacks(host: str, resource: str) -> str:
    """What a deploy says right before it does something about a resource."""
    return rf"\[{host}\]\s+{resource}.*: "


@dataclass(frozen=True)
class Case:
    """What somebody did to hosts, and when the deploy is killed that would put it right."""

    hosts: tuple[str, ...]
    spoil: str
    moment: Moment


GONE = "systemctl stop tomobeam-{0} && cd /opt/tomobeam/{0} && rm -r $(readlink current) current"
CASES = {
    "a release is sent": Case(
        ("web",), GONE.format("webapp"), Moment(lacks("web", "release webapp"), "web", ARRIVING)
    ),
    "a release is unpacked": Case(
        ("web",),
        GONE.format("webapp"),
        Moment(begins("web", "release webapp .*")),
    ),
    "files are written": Case(
        ("storage",),
        "rm -r /etc/tomobeam/ingester /etc/systemd/system/tomobeam-ingester.service",
        Moment(begins("storage", "/etc/systemd/system/tomobeam-ingester.service")),
    ),
    "a unit starts": Case(
        ("compute1",),
        "systemctl disable --now tomobeam-worker && echo >>/etc/tomobeam/registry.json",
        Moment(begins("compute1", "tomobeam-worker.service")),
    ),
    "a service is told what it has to know": Case(
        ("control",),
        "rm /etc/tomobeam/prefect-server/provision.ran",
        Moment(begins("control", "tomobeam-prefect-server-provision.service")),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_killed_deploy_is_finished_by_the_next(platform: Operator, case: Case) -> None:
    before, made = states(case.hosts), provisioned(platform.site)
    for host in case.hosts:
        at(host, case.spoil)
    limits = " ".join(f"--limit {host}" for host in case.hosts)
    with platform.begun(platform.deploying(f"{limits} {LOUD}")) as deploy:
        case.moment.wait(deploy)
        deploy.kill()
    platform.deploy(more=limits)
    assert platform.drift(*case.hosts) == []
    assert difference(before, states(case.hosts)) == {}
    assert provisioned(platform.site) == made


@pytest.fixture
def rotated(platform: Operator, tmp_path: Path) -> Iterator[Operator]:
    """Somebody with other passwords of the databases than those that are deployed."""
    secrets = tmp_path / "secrets"
    shutil.copytree(age_keys.SECRETS, secrets)
    variables = {age_keys.SECRETS_VARIABLE: str(secrets)}
    operator = replace(platform, environment=platform.environment | variables)
    operator.run(f"tomobeam-site secrets rotate {INVENTORY} db-tiled db-prefect")
    yield operator
    platform.deploy()


def test_a_deploy_that_is_killed_between_a_password_and_its_users_is_finished_by_the_next(
    rotated: Operator,
) -> None:
    """PostgreSQL has the new ones by then, the services are still to be told."""
    with rotated.begun(rotated.deploying(LOUD)) as deploy:
        deploy.until("Starting operation: activate .*tiled")
        deploy.kill()
    rotated.deploy()
    assert rotated.drift() == []


# Step by step, each once the deploy of bare hosts has come that far.
FROM_BARE = (
    Moment(begins("control", "packages .*"), "control", "pgrep -x dpkg"),
    Moment(lacks("storage", "release tiled"), "storage", ARRIVING),
    Moment(begins("control", "/etc/postgresql/15/main/pg_hba.conf")),
    Moment(begins("control", "tomobeam-broker.service")),
    Moment(begins("control", "databases and roles")),
    Moment(begins("storage", "tomobeam-tiled-prepare.service")),
    Moment(begins("control", "tomobeam-prefect-server-provision.service")),
    Moment(begins("web", "tomobeam-webapp.service")),
    Moment("Starting operation: canary"),
)


def test_hosts_whose_every_deploy_is_killed_but_the_last_are_as_those_of_one_deploy(
    platform: Operator,
) -> None:
    hosts = list(platform.site.hosts)
    before, made = states(hosts), provisioned(platform.site)
    operator = start(INVENTORY)
    for moment in FROM_BARE:
        with operator.begun(operator.deploying(LOUD)) as deploy:
            moment.wait(deploy)
            deploy.kill()
    operator.deploy()
    assert operator.drift() == []
    assert difference(before, states(hosts)) == {}
    assert provisioned(operator.site) == made
