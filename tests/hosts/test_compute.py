"""Compute hosts: a worker each."""

from __future__ import annotations

from tests.hosts.reach import Reached
from tomobeam_contracts.launchers import DEPLOYED_SOCKET
from tomobeam_deploy.hosts.target import REGISTRY
from tomobeam_deploy.site import Accounts, Group

GROUPS = (Group.COMPUTE,)


def test_the_worker_keeps_models_and_cannot_write_reconstructions(host: Reached) -> None:
    site, worker = host.site, Accounts.name("worker")
    models = str(site.path_on(host.name, site.data.models))
    recons = str(site.path_on(host.name, site.data.filestore))
    trials = [(worker, "w", models), (worker, "x", models), (worker, "w", recons)]
    assert host.ask("access", trials) == [True, True, False]


def test_the_podman_of_jobs_is_there_for_the_worker_alone(host: Reached) -> None:
    socket, wanted = str(DEPLOYED_SOCKET), host.site.launchers_on(host.name).deployed_podman
    trials = [(Accounts.name("worker"), "w", socket), ("nobody", "w", socket)]
    assert host.ask("access", trials) == [wanted, False]


def test_nobody_but_root_chooses_what_the_worker_may_run(host: Reached) -> None:
    registry = host.facts["files"][str(REGISTRY)]
    assert (registry["uid"], registry["mode"]) == (0, 0o644)
