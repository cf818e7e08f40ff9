from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from roles.podman import deploy as podman
from roles.worker import deploy as worker
from tests.unit.roles.beamline import command, load, member, target, text
from tomobeam_deploy.hosts.brought import ContainerImage, FetchedImage, Packages
from tomobeam_deploy.hosts.deploy import plan
from tomobeam_deploy.hosts.preflight import check_images
from tomobeam_deploy.hosts.resources import Account, Folder, Resource
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import ContainerJobs, Group, Launchers, Site, SiteError

PODMAN = Launchers(process=None, podman=ContainerJobs())


def with_podman(**changes: Any) -> Site:
    """The example, of which one of several compute hosts runs jobs in podman."""
    site = load()
    name = member(site, Group.COMPUTE)
    host = site.hosts[name].model_copy(update={"launchers": PODMAN})
    return load(hosts=site.hosts | {name: host}, **changes)


def asked(of: Target) -> list[Resource]:
    return [resource for resources in plan([podman], of).values() for resource in resources]


def test_only_a_host_whose_jobs_run_there_gets_it() -> None:
    site = with_podman()
    first, second = site.members(Group.COMPUTE)
    [packages] = (each for each in asked(target(site, first)) if isinstance(each, Packages))
    assert "podman" in packages.names
    assert asked(target(site, second)) == []


def test_a_podman_of_somebody_elses_is_left_alone() -> None:
    own = Launchers(podman=ContainerJobs(socket=Path("/run/user/1000/podman/podman.sock")))
    site = load(launchers=own)
    assert asked(target(site, member(site, Group.COMPUTE))) == []


def test_it_and_the_worker_mean_the_same_account_and_home() -> None:
    site = with_podman()
    host = target(site, member(site, Group.COMPUTE))
    own, workers = podman.install(host), worker.install(host)
    account, home = (r for r in own if isinstance(r, Account | Folder))
    assert account in workers
    assert home in workers


def test_the_worker_starts_once_its_images_are_there() -> None:
    assert "podman" in worker.NEEDS


def test_the_socket_is_the_one_that_the_worker_is_told() -> None:
    site = with_podman()
    host = target(site, member(site, Group.COMPUTE))
    socket = text(podman.configure(host), "/etc/systemd/user/tomobeam-podman.socket")
    told = site.launchers_on(host.name).podman
    assert told is not None
    assert f"ListenStream={told.socket}\n" in socket


def test_images_are_sent_or_where_they_are_published_fetched() -> None:
    def images(site: Site) -> list[Resource]:
        found = podman.activate(target(site, member(site, Group.COMPUTE)))
        return [each for each in found if isinstance(each, ContainerImage | FetchedImage)]

    [sent] = images(with_podman())
    assert isinstance(sent, ContainerImage)
    [fetched] = images(with_podman(published="registry.example.org/tomobeam"))
    assert isinstance(fetched, FetchedImage)
    assert fetched.published.startswith("registry.example.org/tomobeam/segmentation:")
    assert fetched.names == sent.names


@pytest.mark.parametrize("there", ["", "tomobeam-worker:5000:65536\n", "somebody:1:2\n"])
def test_an_account_keeps_the_numbers_that_it_has(tmp_path: Path, there: str) -> None:
    site = with_podman()
    host = target(site, member(site, Group.COMPUTE))
    numbers = command(podman.install(host), "numbers for containers of tomobeam-worker")
    for name in ("subuid", "subgid"):
        (tmp_path / name).write_text(there)

    def run(script: str) -> subprocess.CompletedProcess[str]:
        here = script.replace("/etc/", f"{tmp_path}{os.sep}")
        return subprocess.run(["sh", "-c", here], capture_output=True, text=True, check=False)

    has = there.startswith("tomobeam-worker:")
    assert (run(numbers.check).returncode == 0) == has
    run(numbers.apply)
    assert run(numbers.check).returncode == 0
    added = "" if has else f"tomobeam-worker:{6104 * 65536}:65536\n"
    assert (tmp_path / "subuid").read_text() == there + added


def test_a_controller_that_cannot_make_images_is_told_before_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    site = with_podman()
    said = rf"^hosts\.{member(site, Group.COMPUTE)}\.launchers\.podman: .* has no podman; install"
    with pytest.raises(SiteError, match=said):
        check_images(site)
    check_images(with_podman(published="registry.example.org/tomobeam"))
    check_images(load())
