"""What a client may wish of a container: by field, and only what the site allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.jobs import algorithm
from tomobeam_contracts.flow import FlowType, Step
from tomobeam_contracts.launchers import ContainerJobs
from tomobeam_flows.launchers import JOB_MARKER, CannotLaunch
from tomobeam_flows.launchers.container import ContainerLauncher
from tomobeam_flows.launchers.container_wishes import (
    Mount,
    allowed_mounts,
    check_working_folder,
)

IO = {"data_tiled_uri": "http://127.0.0.1:1/api/v1/metadata/recons/a"}
MODELS = Path("/store/models")


def _step(**wishes: Any) -> Step:
    return Step.receive({"params": {"io_parameters": IO}, **wishes})


def _jobs(tmp_path: Path) -> ContainerJobs:
    (tmp_path / "data/scan").mkdir(parents=True)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "data/way-out").symlink_to(tmp_path / "secrets")
    return ContainerJobs(
        socket=tmp_path / "none.sock", mounts=(tmp_path / "data",), env_vars=("OMP_NUM_THREADS",)
    )


REFUSALS = [
    ({"network": "bridge"}, "network: 'bridge' is not allowed; jobs here use 'host'"),
    ({"env_vars": {"LD_PRELOAD": "x"}}, "env_vars.LD_PRELOAD: a client may not set it here"),
    ({"env_vars": {JOB_MARKER: "x"}}, f"env_vars.{JOB_MARKER}: a client may not set it"),
    ({"env_vars": {"OMP_NUM_THREADS": "1\0"}}, "env_vars.OMP_NUM_THREADS: a variable cannot"),
    ({"volumes": ["{}/data:/data:rw"]}, "volumes.0: 'rw' is not allowed; what a client mounts"),
    ({"volumes": ["{}/data:/data:ro,shared"]}, "volumes.0: 'shared' is not allowed"),
    ({"volumes": ["{}/data"]}, "is not /SOURCE:/TARGET"),
    ({"volumes": ["data:/data"]}, "volumes.0: 'data:/data' is not /SOURCE:/TARGET"),
    ({"volumes": ["{}/data:data"]}, "is not /SOURCE:/TARGET"),
    ({"volumes": ["/:/data"]}, "volumes.0: / is not in a folder that may be mounted"),
    ({"volumes": ["{}/data-too:/data"]}, "is not in a folder that may be mounted; these may: {}"),
    ({"volumes": ["{}/data/../secrets:/data"]}, "secrets, is not in a folder that may be mounted"),
    ({"volumes": ["{}/data/way-out:/data"]}, "which is {}/secrets, is not in a folder"),
    ({"volumes": ["{}/data/nothing:/data"]}, "volumes.0: there is no {}/data/nothing on this host"),
    ({"volumes": ["{}/data:/usr/bin"]}, "volumes.0: the target /usr/bin would hide"),
    ({"volumes": ["{}/data:/"]}, "volumes.0: the target / would hide"),
    ({"volumes": ["{}/data:/data/../app"]}, "volumes.0: the target /data/../app would hide"),
    ({"volumes": ["{}/data://usr/bin"]}, "volumes.0: the target //usr/bin would hide"),
    ({"volumes": ["{}/data:/store"]}, "volumes.0: the target /store would hide the models in"),
    ({"volumes": ["{}/data:/a", "{}/data:/a/b"]}, "volumes.1: /a/b is the target of another"),
]


@pytest.mark.parametrize(("wishes", "sentence"), REFUSALS, ids=lambda case: str(case)[:48])
def test_refused(tmp_path: Path, wishes: dict[str, Any], sentence: str) -> None:
    if "volumes" in wishes:
        wishes = {"volumes": [volume.replace("{}", str(tmp_path)) for volume in wishes["volumes"]]}
    launcher = ContainerLauncher(
        FlowType.PODMAN,
        _jobs(tmp_path),
        worker="w",
        state=tmp_path / "state",
        models=MODELS,
        environment={},
        grace_s=1.0,
    )
    with pytest.raises(CannotLaunch) as refused:
        launcher.check(_step(**wishes), algorithm("run"))
    assert sentence.replace("{}", str(tmp_path)) in str(refused.value)


def test_allowed_wishes_become_read_only_mounts_of_what_they_lead_to(tmp_path: Path) -> None:
    jobs = _jobs(tmp_path)
    (tmp_path / "data/link").symlink_to(tmp_path / "data/scan")
    step = _step(
        network="host",
        env_vars={"OMP_NUM_THREADS": "4"},
        volumes=[f"{tmp_path}/data/link:/tiled_storage", f"{tmp_path}/data:/data/all:ro,z"],
    )
    mounts = allowed_mounts(step, jobs, MODELS)
    assert [(str(m.source), str(m.target), m.writable) for m in mounts] == [
        (f"{tmp_path}/data/scan", "/tiled_storage", False),
        (f"{tmp_path}/data", "/data/all", False),
    ]


def test_the_images_own_programs_are_not_hidden() -> None:
    mount = Mount(Path("/data"), Path("/workspace/src"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(CannotLaunch, match="would hide the image's own /workspace"):
        check_working_folder([mount], "/workspace")
    check_working_folder([mount], "/")
