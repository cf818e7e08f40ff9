"""Prefect's server, the worker and Tiled lost amid ten scans and a flow run.

Afterwards there are ten nodes, none doubled, and no run is left open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.services.flows.prefect_api import TERMINAL, PrefectApi
from tests.support.ingest import announce, recon_count, recons, tiled_client, write_savu
from tests.support.platform import Platform, local_platform
from tests.support.stacks import add_recon
from tests.support.waiting import wait_for
from tomobeam_common.masks import write_mask
from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.tree import MaskClass, MaskMetadata, mask_path, metadata_uri

SCANS = 10
SHAPE = (12, 128, 128)
RUN_LIMIT_S = 240


@dataclass(frozen=True)
class Fault:
    """What is done to which component, how the run may end, and what its message then says."""

    component: str
    action: str
    ends: frozenset[str]
    sentence: str


TABLE = [
    Fault("prefect-server", "stop", frozenset({"COMPLETED"}), ""),
    Fault("prefect-server", "kill", frozenset({"COMPLETED"}), ""),
    Fault("worker", "stop", frozenset({"CRASHED"}), "The worker was stopped while this ran"),
    Fault("worker", "kill", frozenset({"CRASHED"}), "The worker died while this ran"),
    Fault("tiled", "stop", frozenset({"COMPLETED"}), ""),
    Fault("tiled", "kill", frozenset({"COMPLETED"}), ""),
]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("flow-faults")
    services = ["broker", "tiled", "prefect-server", "ingester", "worker"]
    with local_platform(folder, services) as running:
        yield running


@pytest.fixture(scope="module")
def tiled(platform: Platform) -> Iterator[TiledClient]:
    with tiled_client(platform) as client:
        yield client


@pytest.fixture(scope="module")
def prefect(platform: Platform) -> Iterator[PrefectApi]:
    api = PrefectApi(platform.site.prefect_api_url, platform.secret("prefect-auth"))
    with api:
        yield api


@pytest.fixture(scope="module")
def work(platform: Platform, tiled: TiledClient) -> dict[str, Any]:
    """Parameters of a run that takes some seconds: train and segment a stack."""
    voxels = np.random.default_rng(1).random(SHAPE, dtype=np.float32)
    voxels[:, :64] += 1
    image = add_recon(tiled, "base", voxels)
    plane = np.full(SHAPE[1:], -1, np.int8)
    plane[20:24, 20:80], plane[90:94, 20:80] = 0, 1
    mask = mask_path("tester", image, "0" * 32)
    metadata = MaskMetadata(
        project_name="base",
        data_uri=metadata_uri(platform.site.tiled_url, image),
        image_shape=SHAPE,
        mask_idx=[3],
        classes=[MaskClass(name="a", color="#ff0000"), MaskClass(name="b", color="#00ff00")],
        annotations={},
    )
    write_mask(tiled, mask, [plane], metadata)
    io = {
        "data_tiled_uri": metadata.data_uri,
        "seg_tiled_uri": metadata_uri(platform.site.tiled_url, "results"),
    }
    steps = [("train", {"mask_tiled_uri": metadata_uri(platform.site.tiled_url, mask)})]
    steps.append(("inference", {}))
    return {
        "params_list": [
            {
                "model_name": "random-forest",
                "task_name": task,
                "params": {"io_parameters": io | more, "model_parameters": {}},
            }
            for task, more in steps
        ]
    }


@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: f"{fault.component}-{fault.action}")
def test_a_component_lost_amid_scans_and_a_run_leaves_nothing_open(
    fault: Fault,
    platform: Platform,
    tiled: TiledClient,
    prefect: PrefectApi,
    work: dict[str, Any],
) -> None:
    store = Path(platform.site.data.filestore) / f"{fault.component}-{fault.action}"
    scans = [write_savu(store, f"{fault.component}{number}") for number in range(SCANS)]
    bodies = [{"filePath": str(processed)} for processed in scans]
    before = recon_count(tiled)
    run_id = prefect.start(work)
    child = prefect.wait_for_child(run_id)
    prefect.wait_for_line(child, "", 120)
    announce(platform, *bodies[:5])
    (platform.kill if fault.action == "kill" else platform.stop)(fault.component)
    announce(platform, *bodies[5:])
    platform.start(fault.component)

    wanted = {str(processed.parent / "TiffSaver_1") for processed in scans}
    wait_for(lambda: wanted <= set(recons(tiled)), "ten scans in Tiled", 180)
    assert recon_count(tiled) == before + SCANS
    ended = prefect.wait_for(run_id, TERMINAL, RUN_LIMIT_S)
    assert ended["state"]["type"] in fault.ends, ended["state"]["message"]
    assert fault.sentence in (ended["state"]["message"] or "")
    assert prefect.open_runs() == []
