"""How jobs are launched, from the inventory to the worker's settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.platform import make_site
from tomobeam_contracts.flow import FlowType
from tomobeam_contracts.launchers import ContainerJobs, Launchers, Limits
from tomobeam_deploy.catalogue import services_of
from tomobeam_deploy.renderers.systemd import render_unit
from tomobeam_deploy.service import Placement, place
from tomobeam_deploy.site import Site

PODMAN = ContainerJobs(
    socket=Path("/run/user/6104/podman/podman.sock"),
    mounts=(Path("/store/recons"),),
    gpus=("nvidia.com/gpu=0",),
    limits=Limits(memory_mib=4096),
)
CONTAINERS = Launchers(process=None, podman=PODMAN)


def _site(folder: Path, **changes: Any) -> Site:
    """A site whose hosts' `launchers` are among `changes`, by the name of the host."""
    hosts: dict[str, dict[str, Any]] = {
        "control": {"address": "192.0.2.1", "groups": {"control", "web"}},
        "storage": {"address": "192.0.2.2", "groups": {"storage", "reconstruction"}},
        "compute": {"address": "192.0.2.3", "groups": {"compute"}},
    }
    for name, host in hosts.items():
        host |= {"file_store": "/store", "launchers": changes.pop(name, None)}
    data = {"filestore": "/store/r", "models": "/store/m", "writable": "/w", "state": "/s"}
    return make_site(
        folder,
        hosts=hosts,
        store={"path": "/store"},
        data=data,
        controllers=["192.0.2.0/24"],
        **changes,
    )


def test_without_a_word_jobs_are_processes(tmp_path: Path) -> None:
    assert make_site(tmp_path).launchers.offered == {FlowType.PROCESS}


def test_a_worker_is_told_what_its_host_runs(tmp_path: Path) -> None:
    site = _site(tmp_path, compute=CONTAINERS, flow_type="podman")
    placement = Placement(
        site, bin=Path("/b"), config=Path("/c"), state=Path("/s"), secrets=Path("/k"),
        worker_name="compute", values={"job_bin": "/j"},
    )  # fmt: skip
    process = place(services_of(make_site(tmp_path))["worker"], placement)
    told = process.environment["TOMOBEAM_LAUNCHERS"]
    assert Launchers.model_validate_json(told) == CONTAINERS
    assert json.loads(told)["process"] is None
    assert "TOMOBEAM_LAUNCHERS=" in render_unit(process)


def test_a_host_may_differ_from_the_site(tmp_path: Path) -> None:
    both = Launchers(podman=PODMAN)
    site = _site(tmp_path, compute=both)
    assert site.launchers_on("compute") == both
    assert site.launchers_on("storage") == Launchers()


def test_a_worker_leaves_to_others_what_only_they_run(tmp_path: Path) -> None:
    site = _site(tmp_path, compute=CONTAINERS, flow_type="podman")
    other = site.hosts["compute"].model_copy(update={"launchers": None})
    two = site.model_copy(update={"hosts": {**site.hosts, "other": other}})
    assert two.kinds_elsewhere("compute") == {FlowType.PROCESS}
    assert two.kinds_elsewhere("other") == {FlowType.PODMAN}
    assert make_site(tmp_path).kinds_elsewhere("1") == frozenset()


def test_the_default_kind_is_offered_somewhere(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"flow_type: 'podman' is not among the launchers"):
        make_site(tmp_path, flow_type="podman")
    sentence = r"flow_type: 'process' is not among the launchers .*, which are: podman;"
    with pytest.raises(ValidationError, match=sentence):
        _site(tmp_path, compute=CONTAINERS)


def test_only_compute_hosts_run_jobs(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"hosts.control.launchers: only hosts of 'compute'"):
        _site(tmp_path, control=CONTAINERS)


def test_a_gpu_is_listed_once() -> None:
    with pytest.raises(ValidationError, match=r"gpus: nvidia.com/gpu=0 is listed twice"):
        Launchers(podman=PODMAN, docker=PODMAN)


@pytest.mark.parametrize("name", ["0", "all", "nvidia.com/gpu", "nvidia.com/gpu=0 "])
def test_a_gpu_is_named_by_cdi(name: str) -> None:
    with pytest.raises(ValidationError, match="gpus"):
        ContainerJobs(socket=Path("/s"), gpus=(name,))
