"""The compose file: from the same descriptions, valid by the specification, without a secret."""

from __future__ import annotations

import os
import stat
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.support.platform import make_site
from tomobeam_deploy.compose.layout import ContainerLayout
from tomobeam_deploy.local.readiness import StartError
from tomobeam_deploy.renderers.child import child_command
from tomobeam_deploy.site import (
    Broker,
    ContainerJobs,
    Containers,
    Database,
    Group,
    Host,
    Launchers,
    Ports,
    Runtime,
    Site,
)

SQLITE = Containers(user="1000:100")
SERVER = Containers(user="1000:100", database=Database.POSTGRESQL)


def site_of(folder: Path, state: str = "compose", **changes: Any) -> Site:
    """A site with fixed ports, whose services keep everything in a folder of their own."""
    data = make_site(folder).data.model_copy(update={"state": folder / state})
    return make_site(folder, data=data, **({"containers": SQLITE, "ports": Ports()} | changes))


def written(folder: Path, containers: Containers = SQLITE, **changes: Any) -> ContainerLayout:
    layout = ContainerLayout(site_of(folder, containers=containers, **changes))
    processes = layout.processes()
    layout.write(processes)
    layout.write_file(layout.processes(), {name: f"localhost/{name}:1" for name in processes})
    return layout


def services(layout: ContainerLayout) -> dict[str, Any]:
    return yaml.safe_load(layout.file.read_text())["services"]


@pytest.mark.parametrize("containers", [SQLITE, SERVER])
@pytest.mark.parametrize("broker", list(Broker))
def test_it_follows_the_specification(
    tmp_path: Path, containers: Containers, broker: Broker
) -> None:
    layout = written(tmp_path, containers, broker=broker)
    parsed = PyCompose.from_yaml(layout.file.read_text())
    assert set(layout.processes()) < set(parsed.service_names())


@pytest.mark.parametrize("containers", [SQLITE, SERVER])
def test_a_container_has_what_the_process_has(tmp_path: Path, containers: Containers) -> None:
    layout = written(tmp_path, containers)
    for name, process in layout.processes().items():
        service = services(layout)[name]
        assert tuple(service["command"][-len(process.argv) :]) == process.argv
        given = service["environment"]
        wanted = child_command(process).environment
        assert {key: given[key] for key in process.environment} == dict(process.environment)
        assert wanted["HOME"] == given["HOME"]
        files = {given[variable] for variable in process.credentials}
        assert files == {f"/run/secrets/{secret}" for secret in service["secrets"]}


def test_no_secret_stands_in_it(tmp_path: Path) -> None:
    layout = written(tmp_path, SERVER, broker=Broker.ACTIVEMQ)
    text = layout.file.read_text()
    secrets = [path.read_text().strip() for path in layout.secrets.iterdir()]
    assert len(secrets) > 10
    assert not [value for value in secrets if value in text]


def test_secrets_and_what_proves_passwords_are_their_users_alone(tmp_path: Path) -> None:
    layout = written(tmp_path, SERVER)
    for path in layout.secrets.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    verifiers = layout.config("postgresql") / "databases.sql"
    assert "SCRAM-SHA-256$" in verifiers.read_text()
    assert stat.S_IMODE(verifiers.parent.stat().st_mode) == 0o700


def test_every_container_is_confined_and_listens_where_the_site_says(tmp_path: Path) -> None:
    layout = written(tmp_path, SERVER, address="192.0.2.7")
    for name, service in services(layout).items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges"]
        assert service["user"] == "1000:100"
        assert service["mem_limit"]
        assert all(port.startswith("192.0.2.7:") for port in service.get("ports", [])), name


def test_a_service_waits_for_what_it_needs_by_the_names_of_its_network(tmp_path: Path) -> None:
    layout = written(tmp_path, SERVER)
    ports = layout.site.ports
    command = services(layout)["ingester"]["command"]
    assert f"--wait=tcp://broker:{ports.broker}" in command
    assert f"--wait=http://tiled:{ports.tiled}/healthz" in command
    assert f"--wait=tcp://postgresql:{ports.postgresql}" in services(layout)["tiled"]["command"]


def test_folders_have_one_path_and_only_its_own_can_be_changed(tmp_path: Path) -> None:
    layout = written(tmp_path)
    for name, process in layout.processes().items():
        volumes = services(layout)[name]["volumes"]
        assert all(volume["source"] == volume["target"] for volume in volumes)
        changed = {Path(v["source"]) for v in volumes if not v.get("read_only")}
        assert changed == set(process.writable)
    seen = {v["source"] for v in services(layout)["tiled"]["volumes"]}
    assert str(layout.site.data.filestore) in seen


def test_podman_without_root_keeps_the_callers_number(tmp_path: Path) -> None:
    assert services(written(tmp_path / "a"))["tiled"]["userns_mode"] == "keep-id"
    docker = Containers(user="1000:100", runtime=Runtime.DOCKER)
    assert "userns_mode" not in services(written(tmp_path / "b", docker))["tiled"]


def test_another_secret_or_setting_is_another_container(tmp_path: Path) -> None:
    def labels(layout: ContainerLayout) -> dict[str, str]:
        return {n: s["labels"]["tomobeam.inputs"] for n, s in services(layout).items()}

    before = labels(written(tmp_path))
    assert labels(written(tmp_path)) == before
    (tmp_path / "compose/secrets/tiled-key-job").write_text("f" * 72 + "\n")
    changed = {name for name, value in labels(written(tmp_path)).items() if value != before[name]}
    # The worker uses the key; Tiled has to know it.
    assert changed == {"worker", "tiled", "tiled-provision"}


def test_what_was_written_for_other_databases_is_not_asked(tmp_path: Path) -> None:
    here, other = (ContainerLayout(site_of(tmp_path, name)) for name in ("sqlite", "postgresql"))
    with pytest.raises(StartError, match=r"compose.yaml is missing: start with"):
        here.check_written()
    here.write(here.processes())
    here.write_file(here.processes(), dict.fromkeys(here.processes(), "localhost/any:1"))
    here.check_written()
    with pytest.raises(StartError, match="written for sqlite, and you ask for postgresql"):
        other.check_written()


def test_a_runtime_that_is_not_there_is_named(tmp_path: Path) -> None:
    jobs = ContainerJobs(socket=tmp_path / "podman.sock")
    with pytest.raises(StartError, match=r"podman.sock is missing.*podman.socket"):
        written(tmp_path, launchers=Launchers(podman=jobs))


def test_a_dollar_is_not_the_shells(tmp_path: Path) -> None:
    layout = written(tmp_path / "with$dollar")
    assert f"HOME: {tmp_path}/with$$dollar" in layout.file.read_text()


def test_what_is_another_users_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: here + 1)
    folder = tmp_path / "compose"
    folder.mkdir()
    with pytest.raises(StartError, match=f"{folder} belongs to user {here}, and you are"):
        written(tmp_path)
    assert not list(folder.iterdir())


def test_containers_and_hosts_exclude_each_other(tmp_path: Path) -> None:
    host = Host(address=IPv4Address("192.0.2.1"), groups=frozenset(Group))
    with pytest.raises(ValueError, match="containers: they run on this machine"):
        make_site(tmp_path, containers=SQLITE, hosts={"one": host})
