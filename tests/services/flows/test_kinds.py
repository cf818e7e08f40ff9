"""Several workers share a pool, and each runs the kinds of jobs that its host has."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.services.flows.conftest import Bench, WorkerProcess
from tomobeam_contracts.launchers import EnvironmentJobs, Launchers

RUNS = 4


def test_a_run_is_taken_by_a_worker_that_has_its_kind(
    bench: Bench, own_worker: Callable[..., WorkerProcess]
) -> None:
    environment = EnvironmentJobs(environments={"jobs": bench.folder}, default="jobs")
    process_only = own_worker("process-only", TOMOBEAM_KINDS_ELSEWHERE=json.dumps(["conda"]))
    conda_only = own_worker(
        "conda-only",
        TOMOBEAM_LAUNCHERS=Launchers(process=None, conda=environment).to_setting(),
        TOMOBEAM_KINDS_ELSEWHERE=json.dumps(["process"]),
    )
    for worker in (process_only, conda_only):
        worker.wait_ready()
    step = bench.step("teller", "train")
    started = {
        bench.api.start({"flow_type": kind, "params_list": [step]}): kind
        for kind in ("process", "conda") * RUNS
    }
    for run in started:
        assert bench.api.wait_final(run)["state_type"] == "COMPLETED", bench.api.message(run)
    for run, kind in started.items():
        taker = bench.api.run(run)["infrastructure_pid"].partition(":")[0]
        assert taker == f"{kind}-only"


def test_a_kind_that_nobody_has_is_refused(
    bench: Bench, own_worker: Callable[..., WorkerProcess]
) -> None:
    own_worker("process-only", TOMOBEAM_KINDS_ELSEWHERE=json.dumps(["conda"])).wait_ready()
    step = bench.step("teller", "train")
    run = bench.api.start({"flow_type": "slurm", "params_list": [step]})
    assert bench.api.wait_final(run)["state_type"] == "FAILED"
    assert "flow_type: 'slurm' is not offered" in bench.api.message(run)
