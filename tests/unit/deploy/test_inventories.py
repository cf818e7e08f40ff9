"""The inventories of this repository: all of them load, and the example explains itself."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.platform import REPOSITORY
from tomobeam_deploy import site as models
from tomobeam_deploy.catalogue import secrets_of
from tomobeam_deploy.hosts.deploy import plan
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.lab import Lab
from tomobeam_deploy.network import flows, listeners
from tomobeam_deploy.site import Group, Site
from tomobeam_deploy.site.connection import connection_settings, known_hosts_file
from tomobeam_deploy.site_secrets import completed
from tomobeam_deploy.vault import Secret, Vault

INVENTORIES = REPOSITORY / "inventories"
ALL = sorted(path.name for path in INVENTORIES.iterdir() if path.is_file())
OF_HOSTS = ("beamline", "lab", "single")
EXAMPLE = INVENTORIES / "beamline"

# Says on which address services of one machine listen; hosts have a front door before them.
NOT_FOR_HOSTS = {"address", "containers"}
# Their settings are explained together, where they stand.
EXPLAINED_AS_A_WHOLE = ("Host", "Accounts", "Heartbeat", "DatabaseServer", "Opening")
EXPLAINED = ("Site", "DataRoots", "FileStore")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("TOMOBEAM_SSH_KEY", raising=False)
    monkeypatch.delenv("TOMOBEAM_SSH_KNOWN_HOSTS", raising=False)


@pytest.mark.parametrize("name", ALL)
def test_an_inventory_is_named_as_its_site(name: str) -> None:
    site = Site.load(INVENTORIES / name)
    assert site.name == name
    assert site.registry.is_file()
    assert bool(site.hosts) == (name in OF_HOSTS)


# pyinfra changes the modules of the process that imports its command line.
READ_BY_PYINFRA = """
import json, sys
from pyinfra_cli.inventory import make_inventory
from pyinfra.api import State
from pyinfra.context import ctx_state
groups = sys.argv[2:]
with ctx_state.use(State()):
    inventory = make_inventory(sys.argv[1])
settings = ("ssh_hostname", "ssh_user", "ssh_strict_host_key_checking")
print(json.dumps({
    "hosts": {h.name: {s: h.data.get(s) for s in settings} for h in inventory},
    "groups": {group: [h.name for h in inventory.get_group(group)] for group in groups},
}))
"""


def read_by_pyinfra(name: str) -> dict[str, Any]:
    command = [sys.executable, "-c", READ_BY_PYINFRA, f"inventories/{name}", *Group]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", OF_HOSTS)
def test_pyinfra_sees_the_five_groups_and_how_hosts_are_reached(name: str) -> None:
    site, seen = Site.load(INVENTORIES / name), read_by_pyinfra(name)
    assert seen["groups"] == {group.value: site.members(group) for group in Group}
    assert seen["hosts"] == {
        host: {
            "ssh_hostname": str(description.address),
            "ssh_user": "deploy",
            "ssh_strict_host_key_checking": "yes",
        }
        for host, description in site.hosts.items()
    }


@pytest.mark.parametrize("name", OF_HOSTS)
def test_what_listens_is_reached_and_what_is_reached_listens(name: str) -> None:
    site = Site.load(INVENTORIES / name)
    for host, description in site.hosts.items():
        elsewhere = {at.number for at in listeners(site, host) if at.address != site.address}
        reached = {flow.number for flow in flows(site) if flow.target == host and flow.port}
        assert reached <= elsewhere
        # Where others are, nothing is offered on the network that nobody uses.
        if len(site.hosts) > 1:
            assert elsewhere == reached, description


@pytest.mark.parametrize("name", OF_HOSTS)
def test_all_roles_agree_on_what_each_host_shall_be(name: str) -> None:
    site, now = Site.load(INVENTORIES / name), datetime.now(UTC)
    values = completed(site, secrets_of(site), {}, now)
    secrets = {key: Secret(value=SecretStr(value), made=now) for key, value in values.items()}
    vault = Vault(Path(f"{name}.age"), secrets)
    folders = sorted((REPOSITORY / "roles").glob("*/deploy.py"))
    roles = [import_module(f"roles.{path.parent.name}.deploy") for path in folders]
    steps = [list(plan(roles, Target(site, host, vault))) for host in site.hosts]
    assert all(of_host == steps[0] for of_host in steps)


@pytest.mark.parametrize("name", OF_HOSTS)
def test_every_inventory_of_hosts_can_be_a_lab(name: str) -> None:
    site = Site.load(INVENTORIES / name)
    lab = Lab.of(INVENTORIES / name)
    assert [host.name for host in lab.hosts] == list(site.hosts)
    assert lab.user == connection_settings(INVENTORIES / name)["ssh_user"]


@pytest.mark.parametrize("name", ["beamline", "single"])
def test_keys_are_the_sites_own_unless_the_operator_names_others(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    inventory = INVENTORIES / name
    assert known_hosts_file(inventory) == Path("inventories/known_hosts") / name
    assert connection_settings(inventory)["ssh_key"].startswith("~/.ssh/")
    monkeypatch.setenv("TOMOBEAM_SSH_KEY", "/elsewhere/key")
    monkeypatch.setenv("TOMOBEAM_SSH_KNOWN_HOSTS", "/elsewhere/known_hosts")
    assert known_hosts_file(inventory) == Path("/elsewhere/known_hosts")
    assert connection_settings(inventory)["ssh_key"] == "/elsewhere/key"


def settings_of_the_example() -> dict[str, dict[str, int]]:
    """Model → setting → the line on which it first stands."""
    found: dict[str, dict[str, int]] = {}
    for node in ast.walk(ast.parse(EXAMPLE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            lines = found.setdefault(node.func.id, {})
            for keyword in node.keywords:
                if keyword.arg:
                    lines[keyword.arg] = min(keyword.lineno, lines.get(keyword.arg, 1_000_000))
    return found


@pytest.mark.parametrize("model", [*EXPLAINED, *EXPLAINED_AS_A_WHOLE])
def test_the_example_shows_every_setting(model: str) -> None:
    shown = set(settings_of_the_example()[model])
    # A port that is not TCP is said like one that is.
    rare = {"protocol"} if model == "Opening" else set()
    fields = set(getattr(models, model).model_fields)
    assert shown == fields - NOT_FOR_HOSTS - rare if model == "Site" else shown == fields - rare


@pytest.mark.parametrize("model", EXPLAINED)
def test_the_example_explains_every_setting_where_it_stands(model: str) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    silent = [
        name
        for name, line in settings_of_the_example()[model].items()
        if not lines[line - 2].lstrip().startswith("# ")
    ]
    assert silent == []
