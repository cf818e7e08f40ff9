"""Cancelling ends every process of the job, and the runs say so."""

from __future__ import annotations

import pytest

from tests.services.flows.conftest import Bench, WorkerProcess
from tests.services.flows.processes import pids, wait_gone

LIMIT_S = 5.0


def _start_work(bench: Bench, task: str) -> tuple[str, str, list[int]]:
    run_id = bench.api.start({"params_list": [bench.step("worker", task)]})
    child = bench.api.wait_for_child(run_id)
    return run_id, child, pids(bench.api.wait_for_line(child, "pids "))


@pytest.mark.parametrize("task", ["train", "inference"], ids=["polite job", "job deaf to SIGTERM"])
@pytest.mark.parametrize("which", ["parent", "child"])
def test_cancelling_ends_the_whole_tree(
    bench: Bench, worker: WorkerProcess, which: str, task: str
) -> None:
    run_id, child, found = _start_work(bench, task)
    bench.api.set_state(run_id if which == "parent" else child, "CANCELLING")
    wait_gone(found, LIMIT_S)
    for of_run in (child, run_id):
        assert bench.api.wait_final(of_run)["state"]["type"] == "CANCELLED"


def test_a_run_cancelled_in_the_queue_never_begins(bench: Bench, worker: WorkerProcess) -> None:
    busy = [_start_work(bench, "train") for _ in range(2)]
    waiting = bench.api.start({"params_list": [bench.step("teller", "train")]})
    bench.api.set_state(waiting, "CANCELLING")
    assert bench.api.wait_final(waiting)["state"]["type"] == "CANCELLED"
    for run_id, _, found in busy:
        bench.api.set_state(run_id, "CANCELLING")
        wait_gone(found, LIMIT_S)
        bench.api.wait_for(run_id, {"CANCELLED"})
    assert bench.api.children(waiting) == []


def test_a_deleted_run_ends_its_job(bench: Bench, worker: WorkerProcess) -> None:
    run_id, child, found = _start_work(bench, "train")
    bench.api.http.delete(f"/flow_runs/{run_id}").raise_for_status()
    wait_gone(found, LIMIT_S)
    bench.api.wait_for(child, {"CANCELLED"})


def test_a_state_set_by_hand_ends_the_job_and_stands(bench: Bench, worker: WorkerProcess) -> None:
    run_id, child, found = _start_work(bench, "train")
    bench.api.set_state(run_id, "FAILED", message="given up by the operator")
    wait_gone(found, LIMIT_S)
    bench.api.wait_for(child, {"FAILED"})
    assert bench.api.message(run_id) == "given up by the operator"
