"""What an operator may wish who goes back, and what becomes of it on each host."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from tests.unit.operator.sites import load, targets
from tomobeam_deploy.hosts import rollback, schemas
from tomobeam_deploy.hosts.asking import Unreached
from tomobeam_deploy.hosts.databases import FOLDER
from tomobeam_deploy.hosts.resources import Answers, Command, Schema, Unit
from tomobeam_deploy.hosts.rollback import Refused, Wish, decided, resources, service_roles
from tomobeam_deploy.operator import rollback as command
from tomobeam_deploy.releases.goals import Goal
from tomobeam_deploy.site_cli import app

NEW, OLD, OLDER = "0.1.0-new", "0.1.0-old", "0.1.0-older"
ALL = Wish(None, None, False)
DUMPS = [f"{FOLDER}/tiled_{name}-1-20261101T120000.000Z.dump" for name in ("authn", "catalog")]


def of(current: str = NEW, previous: str | None = OLD) -> dict[str, Any]:
    unpacked = [{"name": name, "at": at} for at, name in enumerate((OLDER, OLD, NEW))]
    return {
        "current": current,
        "previous": previous,
        "undone": None,
        "started": current,
        "unpacked": unpacked,
    }


class Hosts:
    """Answers what hosts are asked that decide; a host that `found` does not name is away."""

    def __init__(self, found: Mapping[str, Any], *, revision: str = "1", dumps: bool = True):
        self.found = found
        self.revision = revision
        self.dumps = DUMPS if dumps else []
        self.asked: list[str] = []

    def __call__(self, host: str, script: str, argument: str, stdin: str) -> str:
        if script == rollback.LOOK:
            self.asked.append(host)
            assert (argument, stdin[:3]) == ("/opt/tomobeam", '"""')
            if host not in self.found:
                raise Unreached("the connection broke")
            return json.dumps(self.found[host])
        if script.startswith("cat /opt/tomobeam/"):
            newest = {OLD: 1, NEW: 2}.get(script.split("/")[-2], 0)
            known = [str(revision) for revision in range(newest, -1, -1)]
            return json.dumps({"schema": dict.fromkeys(self.names, known)})
        assert host == "control"
        if "SELECT count" in script:
            return "new nodes: 12\n"
        assert "pg_dump" not in script
        return "\n".join([*(f"{name} {self.revision}" for name in self.names), *self.dumps])

    names = ("tiled_authn", "tiled_catalog")


def decide(
    monkeypatch: pytest.MonkeyPatch, hosts: Hosts, wish: Wish = ALL, *others: Wish
) -> dict[str, str]:
    """What is decided of a run on the lab's hosts: host and service → release."""
    monkeypatch.setattr(rollback, "Asking", lambda _state: hosts)
    monkeypatch.setattr(schemas, "command_line", lambda: {"inventory": "inventories/lab"})
    inventory = Inventory((["control", "storage", "compute1", "compute2", "web"], {}))
    state = State()
    state.init(inventory, Config())
    for host in inventory:
        state.activate_host(host)
    for other in others:
        with pytest.raises(Refused):
            decided(state, load(), other)
    found = decided(state, load(), wish)
    assert decided(state, load(), wish) is found
    assert sorted(hosts.asked) == sorted(host.name for host in inventory)
    return {f"{host} {service}": goal.release for (host, service), goal in found.items()}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"service": "tyled"}, "service: there is no 'tyled'; did you mean 'tiled'?; there are: "),
        ({"service": "activemq"}, "service: there is no 'activemq'"),
        ({"release": OLD}, "release: of which service is 0.1.0-old? say so: --data service="),
        ({"restore": "ja"}, "--data restore=ja: is neither yes nor no"),
    ],
)
def test_what_cannot_be_meant_is_refused(data: dict[str, str], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        Wish.read(data, service_roles())
    assert str(refused.value).startswith(sentence)


def test_a_wish_is_what_was_given() -> None:
    roles = service_roles()
    assert Wish.read({}, roles) == ALL
    given = {"service": "broker", "release": OLD, "restore": "yes"}
    assert Wish.read(given, roles) == Wish("broker", OLD, True)
    assert {service: role.__name__ for service, role in roles.items()} == {
        "broker": "roles.activemq.deploy",
        "tiled": "roles.tiled.deploy",
        "prefect-server": "roles.prefect_server.deploy",
        "ingester": "roles.ingester.deploy",
        "worker": "roles.worker.deploy",
        "webapp": "roles.webapp.deploy",
        "reconstruction": "roles.reconstruction.deploy",
    }


def test_all_hosts_are_asked_once_and_each_service_goes_or_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pyinfra")
    hosts = Hosts(
        {
            "control": {"broker": of(OLDER, None), "somebody's": of()},
            "storage": {"tiled": of(), "ingester": of()},
            "compute1": {"worker": of()},
            "compute2": {},
            # Not of this host any more.
            "web": {"webapp": of(), "worker": of()},
        }
    )
    assert decide(monkeypatch, hosts) == {
        "storage tiled": OLD,
        "storage ingester": OLD,
        "compute1 worker": OLD,
        "web webapp": OLD,
    }
    assert f"storage: tiled goes from {NEW} to {OLD}" in caplog.text
    assert f"control: broker stays with {OLDER}: there is none before it" in caplog.text


def test_a_host_that_does_not_answer_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = {"control": {}, "storage": {}, "compute1": {"worker": of()}, "web": {"webapp": of()}}
    assert decide(monkeypatch, Hosts(found)) == {"compute1 worker": OLD, "web webapp": OLD}
    assert "the connection broke" in caplog.text


NOWHERE = {"control": {}, "compute1": {}, "compute2": {}, "web": {}}
TILED = NOWHERE | {"storage": {"tiled": of(), "ingester": of()}}


def test_only_the_service_that_is_named_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decide(monkeypatch, Hosts(TILED), Wish("ingester", None, False)) == {
        "storage ingester": OLD
    }
    # Also to a release that is further back.
    assert decide(monkeypatch, Hosts(TILED), Wish("ingester", OLDER, False)) == {
        "storage ingester": OLDER
    }


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (Wish("webapp", None, False), "service: no host of this run has webapp"),
        (
            Wish("tiled", "0.2.0-x", False),
            f"release: storage has no 0.2.0-x of tiled; there are: {OLDER}, {OLD}, {NEW}",
        ),
    ],
)
def test_what_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, wish: Wish, sentence: str
) -> None:
    with pytest.raises(Refused) as refused:
        decide(monkeypatch, Hosts(TILED), wish)
    assert str(refused.value) == sentence


def test_nobody_goes_where_a_schema_keeps_one_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = Hosts(TILED | {"web": {"webapp": of()}}, revision="2")
    # Every host of the run is told so.
    with pytest.raises(Refused) as refused:
        decide(monkeypatch, hosts, ALL, ALL)
    assert str(refused.value).startswith("tiled_authn is of revision 2, to which a newer release ")
    assert "is lost (new nodes: 12), by: " in str(refused.value)
    assert "--service tiled --release 0.1.0-old --restore" in str(refused.value)
    assert len(hosts.asked) == len(TILED)


def test_databases_become_what_they_were_only_if_that_is_wished(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wish = Wish("tiled", None, True)
    assert decide(monkeypatch, Hosts(TILED, revision="2"), wish) == {"storage tiled": OLD}
    assert "tiled: its databases become what they were; what was written since" in caplog.text
    with pytest.raises(Refused, match="control has no dump of that"):
        decide(monkeypatch, Hosts(TILED, revision="2", dumps=False), wish)


def test_an_older_schema_is_none_of_a_rollbacks_cares(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is migrated, after a dump, as by a deploy."""
    assert decide(monkeypatch, Hosts(TILED, revision="0"), Wish("tiled", OLD, False))


def test_a_service_gets_its_release_its_schema_and_a_start() -> None:
    roles = service_roles()
    storage = targets()["storage"]
    back = resources(roles["tiled"], storage, storage.processes["tiled"], Goal(OLD, OLDER), ALL)
    assert [type(resource) for resource in back] == [Command, Schema, Unit, Answers]
    assert [resource.title for resource in back[1:3]] == [
        "schema of tiled",
        "tomobeam-tiled.service",
    ]
    schema = back[1]
    assert isinstance(schema, Schema)
    assert schema.release == f"/opt/tomobeam/tiled/releases/{OLD}"
    # As the role itself has it: where others reach the broker.
    control = targets()["control"]
    broker = resources(roles["broker"], control, control.processes["broker"], Goal(OLD, None), ALL)
    assert [resource.title for resource in broker if isinstance(resource, Answers)] == [
        "tcp://10.89.77.11:61614"
    ]
    # Nothing of it runs all the time.
    recon = targets()["recon"]
    process = recon.processes["reconstruction"]
    titles = [
        r.title for r in resources(roles["reconstruction"], recon, process, Goal(OLD, None), ALL)
    ]
    assert titles[1:] == ["tomobeam-reconstruction.timer"]


@pytest.mark.parametrize(("earlier", "previous"), [(OLDER, f"releases/{OLDER}"), (None, None)])
def test_a_switch_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: str | None, previous: str | None
) -> None:
    monkeypatch.setattr(rollback, "OPT", tmp_path)
    storage = targets()["storage"]
    goal = Goal(OLD, earlier)
    tiled = service_roles()["tiled"]
    [switch] = [
        r
        for r in resources(tiled, storage, storage.processes["tiled"], goal, ALL)
        if isinstance(r, Command)
    ]
    home = tmp_path / "tiled"
    home.mkdir()
    links = {"current": f"releases/{OLD}", "previous": previous}
    for done in ({}, {"current": f"releases/{NEW}"}, links):
        for name in links:
            (home / name).unlink(missing_ok=True)
            if target := done.get(name):
                (home / name).symlink_to(target)
        checked = subprocess.run(["/bin/sh", "-c", switch.check], check=False)
        assert (checked.returncode == 0) is (done == links)


def test_the_command_is_the_one_of_pyinfra(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(words)
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(command.subprocess, "run", run)
    options = ["--limit", "web", "--service", "tiled", "--release", "0.1.0-x", "--restore"]
    app(["rollback", "inventories/lab", *options], standalone_mode=False)
    app(["rollback", "inventories/lab", "--same-sudo-password"], standalone_mode=False)
    start = [sys.executable, "-m", "pyinfra", str(Path("inventories/lab").resolve())]
    start += [str(command.DEPLOY), "-y"]
    given = "--data service=tiled --data release=0.1.0-x --data restore=yes --limit web"
    assert ran == [[*start, *given.split()], [*start, "--same-sudo-password"]]
    assert command.DEPLOY.is_file()
