"""A flow run through Prefect's server and a worker that finds the networks in an environment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.services.dlsia.conftest import BIN
from tests.services.flows.prefect_api import PrefectApi
from tests.services.segmentation.conftest import lab_of
from tests.services.segmentation.jobs import paint
from tests.support.platform import REPOSITORY, Platform, local_platform
from tomobeam_contracts.destinations import RESULTS
from tomobeam_contracts.flow import FlowType
from tomobeam_contracts.launchers import EnvironmentJobs, Launchers


@pytest.fixture
def platform(tmp_path) -> Iterator[Platform]:
    """As `DLSIA=1 make up` has it."""
    there = EnvironmentJobs(environments={"dlsia": BIN.parent}, default="dlsia")
    changes = {
        "registry": REPOSITORY / "services/registry.json",
        "flow_type": FlowType.CONDA,
        "launchers": Launchers(conda=there),
    }
    services = ["tiled", "prefect-server", "worker"]
    folder = tmp_path / "platform"
    with local_platform(folder, services, lambda site: site.model_copy(update=changes)) as platform:
        yield platform


def test_networks_and_classifiers_run_in_the_same_environment(platform, tmp_path):
    lab = lab_of(platform, tmp_path / "lab")
    painted = paint(lab, slices=3, size=64)
    data, mask = lab.uri(painted.image_path), lab.uri(painted.mask_path)

    def step(algorithm, task, **parameters):
        io = {"data_tiled_uri": data, "seg_tiled_uri": lab.uri(RESULTS)}
        io |= {"mask_tiled_uri": mask} if task == "train" else {}
        return {
            "model_name": algorithm,
            "task_name": task,
            "params": {"io_parameters": io, "model_parameters": parameters},
        }

    def both(algorithm, **parameters):
        train = step(algorithm, "train", **parameters)
        return {"params_list": [train, step(algorithm, "inference", n_jobs=1)]}

    environment = platform.client_environment()
    login = platform.secret("prefect-auth")
    with PrefectApi(environment["PREFECT_API_URL"], login) as api:
        runs = {
            "dlsia-msdnet": api.start(both("dlsia-msdnet", epochs=3, n_jobs=1)),
            "gradient-boosting": api.start(both("gradient-boosting", n_estimators=10, n_jobs=1)),
        }
        steps = {}
        for algorithm, run in runs.items():
            ended = api.wait_final(run)
            assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
            steps[algorithm] = [child["id"] for child in api.children(run)]
            assert lab.status(steps[algorithm][1]) == "complete"
            assert np.all(lab.result(steps[algorithm][1]) >= 0)
        lines = "\n".join(api.logs(steps["dlsia-msdnet"][0]))
        assert "epoch 3: train_loss" in lines
        assert lab.key not in lines
