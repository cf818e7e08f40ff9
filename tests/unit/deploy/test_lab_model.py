"""A lab is made from an inventory, or the inventory's key that stands in the way is named."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from tests.support.platform import REPOSITORY
from tomobeam_deploy.lab import Lab, LabError, cli
from tomobeam_deploy.lab.machine import check_network
from tomobeam_deploy.lab.model import StoreFolder
from tomobeam_deploy.site import Group, SiteError

LITERAL = """
from tomobeam_deploy.site import DataRoots, FileStore, Host, Site
site = Site(
    name="here",
    registry="/r.json",
    hosts={{
        "one": Host(address="{one}", groups={{"control", "web"}}, names=["page.example.org"]),
        "two": Host(
            address="{two}", groups={{"storage", "compute", "reconstruction"}}, file_store="/store"
        ),
    }},
    store=FileStore(path="/store", mode="{mode}"),
    data=DataRoots(filestore="/store/f", models="/store/m", writable="/w", state="/s"),
    controllers=["{controllers}"],
)
"""


DEFAULTS = {
    "one": "198.51.100.11",
    "two": "198.51.100.12",
    "mode": "existing",
    "controllers": "198.51.100.0/28",
}


def inventory(folder: Path, *, settings: str = "ssh_user = 'operator'\n", **changes: str) -> Path:
    path = folder / "here"
    path.write_text(LITERAL.format(**(DEFAULTS | changes)))
    (folder / "group_data").mkdir()
    (folder / "group_data" / "here.py").write_text(settings)
    return path


def test_a_network_of_the_machine_itself_is_no_labs(tmp_path: Path) -> None:
    lab = Lab.of(inventory(tmp_path))
    check_network(lab)
    with pytest.raises(LabError, match=r"127\.0\.7\.0/24 is that of this machine's lo "):
        check_network(replace(lab, subnet=IPv4Network("127.0.7.0/24")))


def test_hosts_addresses_and_the_account_are_those_of_the_site(tmp_path: Path) -> None:
    lab = Lab.of(inventory(tmp_path))
    assert lab.subnet == IPv4Network("198.51.100.0/24")
    assert lab.gateway == IPv4Address("198.51.100.1")
    assert lab.user == "operator"
    one, two = lab.hosts
    assert (one.name, str(one.address), one.names) == (
        "one",
        "198.51.100.11",
        ("page.example.org",),
    )
    assert (one.file_store, two.file_store) == (None, Path("/store"))
    assert Group.STORAGE in two.groups
    assert one.container == "tomobeam-lab-one"


def test_a_store_that_exists_has_its_folders_and_a_managed_one_has_none(tmp_path: Path) -> None:
    assert Lab.of(inventory(tmp_path)).folders == (
        StoreFolder(Path("/store/f"), 6107, 6100, 0o2750),
        StoreFolder(Path("/store/m"), 6104, 6100, 0o2750),
    )
    managed = tmp_path / "managed"
    managed.mkdir()
    assert Lab.of(inventory(managed, mode="managed")).folders == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"two": "10.1.2.3"}, "hosts.two.address: 10.1.2.3 is not in 198.51.100.0/24 like"),
        ({"one": "198.51.100.1"}, "hosts.one.address: 198.51.100.1 is the controller's in a lab"),
        ({"one": "2001:db8::1"}, "hosts.one.address: 2001:db8::1: a lab has IPv4 only"),
        ({"controllers": "10.0.0.0/8"}, "controllers: none holds 198.51.100.1"),
    ],
)
def test_what_keeps_a_site_from_being_a_lab_is_named(
    tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    path = inventory(tmp_path, **changes)
    with pytest.raises(LabError) as error:
        Lab.of(path)
    assert str(path) in str(error.value)
    assert sentence in str(error.value)


def test_connection_settings_without_an_account_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"group_data/here\.py: ssh_user: missing"):
        Lab.of(inventory(tmp_path, settings=""))


def test_an_inventory_without_hosts_is_no_lab() -> None:
    with pytest.raises(LabError, match="local runs on one machine"):
        Lab.of(REPOSITORY / "inventories" / "local")


@pytest.mark.parametrize("site", ["lab", "beamline"])
def test_what_a_shell_is_told_names_whose_hosts_the_lab_is(
    site: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory = REPOSITORY / "inventories" / site
    monkeypatch.setattr(cli, "running_inventory", lambda: inventory)
    cli.env()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"export INVENTORY={inventory}"
    # The lab's own inventory names the lab's keys by itself.
    assert any("TOMOBEAM_SSH_KEY=" in line for line in said) is (site == "beamline")
