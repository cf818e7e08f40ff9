"""The compose profile as `make compose-up` leaves it, asked through the runtime."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import wait_for
from tomobeam_deploy.catalogue import services_of
from tomobeam_deploy.compose.cli import COMPOSE
from tomobeam_deploy.compose.platform import ContainerPlatform
from tomobeam_deploy.images.base import DEFAULT_BASE
from tomobeam_deploy.local.readiness import answers
from tomobeam_deploy.renderers.compose import provision_name
from tomobeam_deploy.site import Site

LIMIT_S = 120


@pytest.fixture(scope="module")
def platform() -> ContainerPlatform:
    """The one that runs."""
    return ContainerPlatform(Site.load(COMPOSE), DEFAULT_BASE, lambda _service, _what: None)


@pytest.fixture(scope="module")
def inspected(platform: ContainerPlatform) -> dict[str, dict[str, Any]]:
    """By service, what the runtime says of its container."""
    names = {service: state.name for service, state in platform.project.states().items()}
    told = json.loads(runtime(platform, "inspect", "--type=container", *names.values()))
    return dict(zip(names, told, strict=True))


def runtime(platform: ContainerPlatform, *words: str) -> str:
    done = subprocess.run(
        [platform.project.runtime, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_every_service_runs_and_is_provisioned(platform: ContainerPlatform) -> None:
    states = platform.project.states()
    provisioned = {provision_name(n) for n, p in platform.processes.items() if p.provision}
    assert set(states) == {*platform.processes, *provisioned}
    assert all(states[name].running for name in platform.processes)
    assert all(states[name].ended and not states[name].exit_code for name in provisioned)


def test_no_container_can_do_more_than_its_service(
    platform: ContainerPlatform, inspected: dict[str, dict[str, Any]]
) -> None:
    containers = platform.site.containers
    assert containers
    shared = platform.site.accounts.shared
    for service, told in inspected.items():
        host = told["HostConfig"]
        assert told["Config"]["User"] == (containers.user or f"{shared}:{shared}"), service
        assert host["ReadonlyRootfs"], service
        assert "no-new-privileges" in host["SecurityOpt"], service
        assert not told["EffectiveCaps"], service
        for ports in (host["PortBindings"] or {}).values():
            assert {port["HostIp"] for port in ports} == {platform.site.address}, service


def test_no_secret_shows(platform: ContainerPlatform, inspected: dict[str, dict[str, Any]]) -> None:
    secrets = {path.name: path.read_text().strip() for path in platform.layout.secrets.iterdir()}
    assert len(secrets) > 8
    said = json.dumps(inspected) + platform.layout.file.read_text()
    said += "".join(
        runtime(platform, "logs", state.name) for state in platform.project.states().values()
    )
    assert [name for name, value in secrets.items() if value in said] == []


def test_its_own_check_finds_each_service_well(platform: ContainerPlatform) -> None:
    for service in platform.processes:
        name = platform.project.states()[service].name
        runtime(platform, "healthcheck", "run", name)


def test_starting_again_replaces_nothing(
    platform: ContainerPlatform, inspected: dict[str, dict[str, Any]]
) -> None:
    platform.up()
    for service, told in inspected.items():
        name = told["Name"].lstrip("/")
        assert runtime(platform, "inspect", "--format={{.Id}}", name).strip() == told["Id"], service


@pytest.mark.parametrize("service", services_of(Site.load(COMPOSE)))
def test_what_crashes_comes_back_with_all_that_needs_it(
    platform: ContainerPlatform, service: str
) -> None:
    def started() -> tuple[str, int]:
        told = json.loads(runtime(platform, "inspect", platform.project.states()[service].name))[0]
        return told["State"]["StartedAt"], told["State"]["Pid"]

    before, pid = started()
    subprocess.run(["kill", "-KILL", str(pid)], check=True)
    wait_for(lambda: started()[0] != before, f"another {service}", LIMIT_S)
    for process in platform.processes.values():
        wait_for(lambda process=process: answers(process), f"{process.name} answers", LIMIT_S)


def test_the_compose_file_says_what_the_descriptions_say(platform: ContainerPlatform) -> None:
    before = platform.layout.file.read_text()
    platform.write()
    assert platform.layout.file.read_text() == before
    assert Path(platform.layout.file).name == "compose.yaml"
