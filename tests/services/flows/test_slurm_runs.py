"""Runs whose jobs go through a real Slurm, from a stranger's request in the older form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.services.flows.conftest import Bench, WorkerProcess
from tests.services.flows.processes import pids, wait_gone
from tests.support.slurm import NODE, OTHER_PARTITION, PARTITION, Slurm, missing, slurm

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

MakeWorker = Callable[..., WorkerProcess]
NAME = "slurm"
GONE_S = 10.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    with slurm() as made:
        yield made


@pytest.fixture
def slurm_worker(bench: Bench, cluster: Slurm, own_worker: MakeWorker) -> Iterator[WorkerProcess]:
    jobs = {
        "partitions": [PARTITION, OTHER_PARTITION],
        "shared": str(bench.folder / "shared-jobs"),
        "job_bin": str(bench.bin),
        "limits": {"max_time_s": 600, "memory_mib": 500},
    }
    worker = own_worker(
        NAME, TOMOBEAM_LAUNCHERS=json.dumps({"slurm": jobs}), **cluster.environment()
    )
    worker.wait_ready()
    yield worker
    cluster.end_jobs()


def _older(bench: Bench, model: str, command: str, **wishes: Any) -> dict[str, Any]:
    """A step as older clients describe one for Slurm."""
    step = bench.step(model, "train")
    del step["model_name"], step["task_name"]
    return step | {
        "job_name": "train", "image_name": f"registry.example/{model}", "image_tag": "v1",
        "python_file_name": command, "conda_env_name": "mlex_dlsia", "num_nodes": 1,
        "partitions": OTHER_PARTITION, "reservations": "", "max_time": "0:10:00", **wishes,
    }  # fmt: skip


def _start(bench: Bench, *steps: dict[str, Any]) -> str:
    return bench.api.start({"flow_type": "slurm", "params_list": list(steps)})


def _start_work(bench: Bench, command: str) -> tuple[str, str, list[int]]:
    step = _older(bench, "worker", command)
    step["params"]["io_parameters"]["uid_retrieve"] = "a-model"  # Where it is an inference.
    run_id = _start(bench, step)
    child = bench.api.wait_for_child(run_id)
    return run_id, child, pids(bench.api.wait_for_line(child, "pids "))


def test_training_and_inference_in_the_older_form(
    bench: Bench, slurm_worker: WorkerProcess
) -> None:
    run_id = _start(
        bench,
        _older(bench, "teller", "tell train"),
        _older(bench, "teller", "tell inference", partitions=[PARTITION]),
    )
    run = bench.api.wait_final(run_id)
    assert run["state"]["type"] == "COMPLETED", run["state"]
    train, inference = bench.api.children(run_id)
    lines = bench.api.logs(train["id"])
    assert lines[0].startswith("Slurm job ")
    assert "first line of train" in lines
    assert "my key is ***" in lines
    assert lines[-1] == "progress 4/4 slices done"
    told = json.loads((bench.models / f"{inference['id']}.json").read_text())
    assert f"uid_retrieve: {train['id']}" in told["text"]
    assert (told["mode"], told["folder_mode"]) == (0o600, 0o700)
    environment = told["environment"]
    assert environment["SLURM_JOB_PARTITION"] == PARTITION
    assert environment["SLURMD_NODENAME"] == NODE
    assert not [name for name in environment if name.startswith(("TOMOBEAM_PREFECT", "PREFECT"))]
    assert list((bench.folder / "shared-jobs" / NAME).iterdir()) == []


def test_refusals_name_the_field(bench: Bench, slurm_worker: WorkerProcess) -> None:
    for wish, said in (
        ({"partitions": "debug"}, "params_list.1.partitions: 'debug' is not allowed here"),
        ({"reservations": ["mine"]}, "params_list.1.reservations: 'mine' is not allowed here"),
        ({"num_nodes": 2}, "params_list.1.num_nodes: 2 are more than this site's 1"),
        ({"max_time": "1-0"}, "params_list.1.max_time: 1-0 is longer than this site's 600 s"),
    ):
        good = _older(bench, "teller", "tell train")
        run_id = _start(bench, good, _older(bench, "teller", "tell train", **wish))
        run = bench.api.wait_final(run_id)
        assert run["state"]["type"] == "FAILED"
        assert said in run["state"]["message"]
        assert bench.api.children(run_id) == []


def test_a_failed_job_says_its_code_and_last_lines(
    bench: Bench, slurm_worker: WorkerProcess
) -> None:
    run_id = _start(bench, _older(bench, "failing", "fail"))
    message = bench.api.wait_final(run_id)["state"]["message"]
    assert "failing train: exit code 3" in message
    assert "ValueError: the mask is empty" in message


@pytest.mark.parametrize("command", ["work", "work deaf"])
def test_cancel_leaves_nothing_in_slurm(
    bench: Bench, cluster: Slurm, slurm_worker: WorkerProcess, command: str
) -> None:
    run_id, child, found = _start_work(bench, command)
    bench.api.set_state(run_id, "CANCELLING")
    wait_gone(found, GONE_S)
    for of_run in (child, run_id):
        assert bench.api.wait_final(of_run)["state"]["type"] == "CANCELLED"
    assert cluster.jobs() == []


def test_a_killed_worker_ends_its_jobs_when_it_is_back(
    bench: Bench, cluster: Slurm, slurm_worker: WorkerProcess
) -> None:
    run_id, child, found = _start_work(bench, "work deaf")
    slurm_worker.kill()
    assert len(cluster.jobs()) == 1, "Slurm knows nothing of workers"
    slurm_worker.start()
    slurm_worker.wait_ready()
    wait_gone(found, GONE_S)
    assert cluster.jobs() == []
    for of_run in (run_id, child):
        assert bench.api.wait_final(of_run)["state"]["type"] == "CRASHED"
    assert list((bench.folder / "shared-jobs" / NAME).iterdir()) == []
