"""Where the canary's halves run, as whom, and what is said when one of its hops does not answer."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State
from pyinfra.connectors.fake import FakeConnector
from pyinfra.connectors.util import CommandOutput, OutputLine

from tests.support.platform import REPOSITORY
from tomobeam_contracts.canary import FIRST_HALF, SECOND_HALF, Hop, HopReport
from tomobeam_deploy.canary import halves, operation
from tomobeam_deploy.canary.journey import LOG, RUN, Journey, Unreached, travel
from tomobeam_deploy.canary.report import document, text
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Group, Site
from tomobeam_deploy.vault import Vault

SCAN = "tomobeam-canary-20261105T101112.000013Z"
NO_SECRETS = Vault(Path("none"))


@pytest.fixture(scope="module")
def site() -> Site:
    return Site.load(REPOSITORY / "inventories" / "beamline")


def target(site: Site, name: str) -> Target:
    return Target(site, name, NO_SECRETS)


class Hosts:
    """Answers as hosts on which the canary goes well, up to the hop `fails`."""

    def __init__(self, fails: Hop | None = None, *, silent: bool = False) -> None:
        self.fails = fails
        self.silent = silent
        self.asked: list[tuple[str, str, str]] = []
        self.away: set[str] = set()

    def __call__(self, host: str, script: str, argument: str, stdin: str) -> str:
        if host in self.away:
            raise Unreached("the connection broke: reset")
        if script == LOG:
            return f"last words of {argument}\n"
        assert script == RUN
        self.asked.append((host, argument, stdin))
        return "\n".join(self.lines(SECOND_HALF if SCAN in stdin else FIRST_HALF))

    def lines(self, hops: tuple[Hop, ...]):
        yield "Starting the canary..."
        for hop in hops:
            fault = "no" if hop is self.fails else None
            if fault and self.silent:
                yield "Main process exited, code=exited, status=203/EXEC"
                return
            scan = SCAN if hop is Hop.NOTIFY and not fault else None
            yield HopReport(hop=hop, seconds=0.5, fault=fault, scan=scan).model_dump_json()
            if fault:
                return


def fly(site: Site, hosts: Hosts) -> Journey:
    sender, web = site.host_of("reconstruction"), site.host_of("webapp")
    return travel(target(site, sender), target(site, web), hosts, 30)


def test_the_first_half_may_write_the_store_and_the_second_has_the_pages_keys(site: Site) -> None:
    name = site.host_of("reconstruction")
    unit = halves.first_half(target(site, name), 30).unit
    store = site.path_on(name, site.data.filestore)
    assert f'"TOMOBEAM_CANARY_STORE={store}"' in unit
    assert f'"{store}"' in next(line for line in unit.splitlines() if "ReadWritePaths" in line)
    assert "User=tomobeam-reconstruction" in unit
    assert "MemoryDenyWriteExecute=no" in unit
    assert "TimeoutStartSec=90" in unit
    assert '/current/bin/tomobeam-canary" "send"' in unit
    unit = halves.second_half(target(site, site.host_of("webapp")), SCAN, 30).unit
    assert "User=tomobeam-webapp" in unit
    assert "LoadCredential=tiled-key-webapp:" in unit
    assert "MemoryDenyWriteExecute=yes" in unit
    assert f'/current/bin/tomobeam-canary" "follow" "{SCAN}"' in unit
    assert '"TOMOBEAM_CANARY_HOP_LIMIT_S=30"' in unit


def test_the_releases_of_both_hosts_hold_it(site: Site) -> None:
    for name, service in (("reconstruction", "reconstruction"), ("webapp", "webapp")):
        process = target(site, site.host_of(name)).processes[service]
        assert "tomobeam-canary" in process.service.packages


def test_a_canary_that_went_well(site: Site) -> None:
    hosts = Hosts()
    journey = fly(site, hosts)
    assert journey.fault is None
    assert [host for host, *_ in hosts.asked] == [
        site.host_of("reconstruction"),
        site.host_of("webapp"),
    ]
    first, second = (unit for _, unit, _ in hosts.asked)
    assert first.startswith("tomobeam-canary-")
    assert first.endswith(".service")
    assert first != second
    found = document(journey)
    assert found["passed"]
    assert [hop["hop"] for hop in found["hops"]] == [hop.value for hop in Hop]
    assert json.loads(json.dumps(found)) == found
    assert "every hop answered, in 5.5 s" in text(found)


@pytest.mark.parametrize("hop", list(Hop))
@pytest.mark.parametrize("silent", [False, True])
def test_a_hop_that_fails_names_host_remedy_and_last_words(
    site: Site, hop: Hop, silent: bool
) -> None:
    hosts = Hosts(hop, silent=silent)
    journey = fly(site, hosts)
    assert journey.fault
    assert journey.fault.hop is hop
    assert ("status=203/EXEC" in journey.fault.sentence) == silent
    wire = journey.wires[hop]
    found = document(journey)
    assert not found["passed"]
    assert found["fault"]["hosts"] == list(wire.suspects)
    assert set(wire.suspects) <= set(site.hosts)
    said = text(found)
    assert f"{wire.words} failed: " in said
    assert wire.remedy in said
    assert "FAILED" in said
    for host in wire.suspects:
        for unit in wire.units:
            assert f"the end of the log of {host} {unit}:\n  last words of {unit}" in said
    reached = [h["hop"] for h in found["hops"] if h["seconds"] is not None]
    order = list(Hop)
    assert reached == order[: order.index(hop) + (not silent)]


def test_every_worker_is_a_suspect(site: Site) -> None:
    journey = fly(site, Hosts(Hop.WORKER))
    assert journey.fault
    workers = [f"{name} tomobeam-worker.service" for name in site.members(Group.COMPUTE)]
    assert list(journey.fault.log) == workers


def test_a_host_that_is_not_reached_is_named(site: Site) -> None:
    hosts = Hosts()
    hosts.away = {site.host_of("webapp")}
    found = document(fly(site, hosts))
    assert found["fault"]["hop"] == "tiled"
    assert "the connection broke: reset" in found["fault"]["sentence"]
    assert hosts.away.pop() in found["fault"]["sentence"]


def test_the_log_of_a_host_that_is_not_reached_is_not_missed(site: Site) -> None:
    hosts = Hosts(Hop.REGISTER)
    hosts.away = {site.host_of("ingester")}
    assert "(the connection broke: reset)" in text(document(fly(site, hosts)))


def deploy(
    site: Site, hosts: Hosts, patch: pytest.MonkeyPatch, *, limit: str = "", dry: bool = False
) -> State:
    """A run of pyinfra that consists of the canary alone."""

    def run(connector: FakeConnector, command: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
        _, _, script, _, argument = command.bits
        try:
            said = hosts(connector.host.name, script.obj, argument.obj, *arguments["_stdin"])
        except Unreached as error:
            return False, CommandOutput([OutputLine("stderr", str(error))])
        return True, CommandOutput([OutputLine("stdout", line) for line in said.splitlines()])

    patch.setattr(FakeConnector, "run_shell_command", run)
    patch.setenv("PYINFRA_PROGRESS", "off")
    data = {"fake_delay": 0, "fake_delay_jitter": 0}
    inventory = Inventory(([f"@fake/{name}" for name in site.hosts], data))
    for each in list(inventory):
        each.name = each.name.removeprefix("@fake/")
    inventory.hosts = {each.name: each for each in inventory}
    chosen = [each for each in inventory if each.name == limit] if limit else None
    state = State()
    state.init(inventory, Config(), initial_limit=chosen)
    connect_all(state)
    sender = site.host_of("reconstruction")
    add_op(state, operation.fly, site=site, sender=sender, name="canary")
    if not dry:
        run_ops(state)
    return state


def failed(state: State) -> list[str]:
    return [each.name for each in state.failed_hosts]


def test_in_a_deploy_it_changes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    monkeypatch.setenv(operation.REPORT, str(report))
    state = deploy(site, Hosts(), monkeypatch)
    assert failed(state) == []
    metas = [op.operation_meta for ops in state.ops.values() for op in ops.values()]
    assert len(metas) == len(site.hosts)
    assert not any(meta.did_change() for meta in metas)
    assert json.loads(report.read_text())["passed"]


def test_it_fails_a_deploy(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pyinfra")
    state = deploy(site, Hosts(Hop.JOBS), monkeypatch)
    assert failed(state) == [site.host_of("webapp")]
    assert "jobs on images in Tiled failed: no" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_plan_sends_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = Hosts()
    deploy(site, hosts, monkeypatch, dry=True)
    assert hosts.asked == []


def test_a_run_that_leaves_a_half_out_sends_none(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hosts = Hosts()
    state = deploy(site, hosts, monkeypatch, limit=site.host_of("webapp"))
    assert (hosts.asked, failed(state)) == ([], [])
    assert f"no canary: {site.host_of('reconstruction')} is not part of this run" in caplog.text
