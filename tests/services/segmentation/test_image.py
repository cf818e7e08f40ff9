"""The job's image, run as a launcher runs it: sealed, with its parameters where wire 4 says.

It is large, so it is tried where `make images` has built it from this tree.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.services.segmentation.jobs import Lab, Painted
from tests.support.containers import CONFIGURATION, missing
from tests.support.platform import REPOSITORY, make_site
from tests.support.specimens import mean_iou
from tomobeam_contracts.flow import TaskName
from tomobeam_contracts.job import Progress
from tomobeam_contracts.registry import Registry
from tomobeam_deploy.images.model import images_of
from tomobeam_deploy.site import Containers
from tomobeam_flows.launchers.container_wishes import PARAMETERS_TARGET

SEALED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=all", "--security-opt=no-new-privileges")


class JobImage:
    """An algorithm of the registry, by the image and the commands that it names."""

    def __init__(self, folder: Path, algorithm: str) -> None:
        registry = REPOSITORY / "services/registry.json"
        site = make_site(folder, containers=Containers(), registry=registry)
        self.algorithm = Registry.read(registry).find(algorithm)
        self.name = f"{self.algorithm.image_name}:{self.algorithm.image_tag}"
        images = images_of(site).values()
        self.release = next(image.release for image in images if self.name in image.aliases)
        self.configuration = folder / "containers.conf"
        self.configuration.write_text(CONFIGURATION)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", "run", "--rm", "--network=host", *SEALED, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"CONTAINERS_CONF": str(self.configuration)},
        )

    def is_of_this_tree(self) -> bool:
        told = self.run("--pull=never", self.name, "cat", "/opt/tomobeam/release.json").stdout
        return bool(told and self.release and json.loads(told)["digest"] == self.release.digest)

    def step(self, task: TaskName, params: Path, models: Path) -> str:
        user = f"--user={os.getuid()}:{os.getgid()}"
        mounts = (f"--volume={params}:{PARAMETERS_TARGET}:ro", f"--volume={models}:{models}")
        command = (*self.algorithm.command(task), str(PARAMETERS_TARGET))
        done = self.run(user, *mounts, self.name, *command)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(params=["random-forest", "dlsia-msdnet"])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> JobImage:
    if why := missing():
        pytest.skip(why)
    job = JobImage(tmp_path, request.param)
    if not job.is_of_this_tree():
        pytest.skip(f"{job.name} is not built from this tree; make images does")
    return job


def test_it_trains_and_segments(job: JobImage, lab: Lab, painted: Painted) -> None:
    models = lab.folder / "models"
    mask = lab.uri(painted.mask_path)
    uid = f"image-{job.algorithm.model_name}"
    lab = replace(lab, parameters={"n_jobs": 1})
    params = lab.params(painted.image_path, uid_save=f"{uid}-t", mask_tiled_uri=mask)
    said = job.step("train", params, models)
    assert said.startswith(f"{job.algorithm.command('train')[0]} ")
    params = lab.params(painted.image_path, uid_save=uid, uid_retrieve=f"{uid}-t")
    said = job.step("inference", params, models)
    steps = [str(step) for step in map(Progress.parse, said.splitlines()) if step]
    assert steps == [f"progress {k}/4 slices segmented" for k in (1, 2, 3, 4)]
    assert mean_iou(lab.result(uid), painted.truth) > 0.8
    assert lab.key not in said
