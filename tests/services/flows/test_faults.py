"""Worker and server stopped and killed: no run stays open, no process stays alive."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from tests.services.flows.conftest import COMMAND, Bench, WorkerProcess
from tests.services.flows.processes import pids, wait_gone
from tests.support.waiting import wait_for

MakeWorker = Callable[..., WorkerProcess]
TREE_GONE_S = 6.0
# The heartbeat limit of these tests, the server's own clock, and a stall of its SQLite.
AUTOMATION_S = 120.0


def _start_work(bench: Bench) -> tuple[str, str, list[int]]:
    run_id = bench.api.start({"params_list": [bench.step("worker", "inference")]})
    child = bench.api.wait_for_child(run_id)
    return run_id, child, pids(bench.api.wait_for_line(child, "pids "))


def _wait_for_heartbeat(bench: Bench, run_id: str) -> None:
    wanted = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{run_id}"]},
    }
    # A busy server takes its time to keep events.
    deadline = time.monotonic() + 90
    while not bench.api.post("/events/filter", filter=wanted)["events"]:
        assert time.monotonic() < deadline, "no heartbeat"
        time.sleep(0.2)


def test_killed_and_never_started_again(bench: Bench, own_worker: MakeWorker) -> None:
    worker = own_worker()
    worker.wait_ready()
    run_id, child, found = _start_work(bench)
    _wait_for_heartbeat(bench, child)
    worker.kill()
    wait_gone(found, TREE_GONE_S)
    for of_run in (run_id, child):
        run = bench.api.wait_final(of_run, AUTOMATION_S)
        assert run["state"]["type"] == "CRASHED"
        assert "No sign of life from the worker" in run["state"]["message"]
    assert bench.api.open_runs() == []


def test_killed_and_started_again(bench: Bench, own_worker: MakeWorker) -> None:
    worker = own_worker("again")
    worker.wait_ready()
    run_id, child, found = _start_work(bench)
    worker.kill()
    jobs = bench.folder / "again" / "jobs"
    assert [folder.name for folder in jobs.iterdir()] == [child]
    worker.start()
    worker.wait_ready()
    wait_gone(found, TREE_GONE_S)
    for of_run in (run_id, child):
        run = bench.api.wait_final(of_run)
        assert run["state"]["type"] == "CRASHED"
    assert list(jobs.iterdir()) == []
    assert bench.api.open_runs() == []
    # And it works again.
    fresh = bench.api.start({"params_list": [bench.step("teller", "train")]})
    assert bench.api.wait_final(fresh)["state"]["type"] == "COMPLETED"


def test_killed_while_cancelling_and_started_again(bench: Bench, own_worker: MakeWorker) -> None:
    worker = own_worker("cancelling", TOMOBEAM_WATCH_EVERY_S="3600")
    worker.wait_ready()
    run_id, _, found = _start_work(bench)
    bench.api.set_state(run_id, "CANCELLING")
    worker.kill()
    wait_gone(found, TREE_GONE_S)
    worker.start()
    assert bench.api.wait_final(run_id)["state"]["type"] == "CANCELLED"
    worker.wait_ready()


def test_sigterm_ends_the_runs_truthfully(bench: Bench, own_worker: MakeWorker) -> None:
    worker = own_worker()
    worker.wait_ready()
    run_id, child, found = _start_work(bench)
    assert worker.stop() == 0
    wait_gone(found, 0.5)
    for of_run in (run_id, child):
        run = bench.api.run(of_run)
        assert run["state"]["type"] == "CRASHED"
        assert "The worker was stopped" in run["state"]["message"]


def test_server_away_during_a_run(bench: Bench, own_worker: MakeWorker) -> None:
    worker = own_worker()
    worker.wait_ready()
    step = bench.step("counting", "train")
    step["params"]["model_parameters"] = {"seconds": 15}
    run_id = bench.api.start({"params_list": [step]})
    child = bench.api.wait_for_child(run_id)
    bench.api.wait_for_line(child, "line 0")
    _wait_for_heartbeat(bench, child)
    # Longer than the heartbeat limit, and than the job: it ends while nobody listens.
    bench.platform.stop("prefect-server")
    time.sleep(22)
    bench.platform.start("prefect-server")
    for of_run in (child, run_id):
        assert bench.api.wait_for(of_run, {"COMPLETED"})["state"]["type"] == "COMPLETED"
    assert bench.api.logs(child) == [f"line {i} of one" for i in range(75)]
    assert worker.process is not None
    assert worker.process.poll() is None


def test_server_killed_and_back_while_the_job_goes_on(bench: Bench, own_worker: MakeWorker) -> None:
    worker = own_worker()
    worker.wait_ready()
    run_id, child, found = _start_work(bench)
    _wait_for_heartbeat(bench, child)
    bench.platform.kill("prefect-server")
    time.sleep(22)
    bench.platform.start("prefect-server")
    # Silent for too long, the server may call them crashed for a moment; the worker puts it right.
    deadline = time.monotonic() + AUTOMATION_S
    seen = len(bench.api.logs(child))
    while len(bench.api.logs(child)) <= seen + 10:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    for of_run in (run_id, child):
        bench.api.wait_for(of_run, {"RUNNING"})
    # That moment may be now, and a run that counts as crashed is not cancelled.
    wait_for(lambda: bench.api.cancel(run_id), "Prefect to take the cancellation")
    wait_gone(found, TREE_GONE_S)
    assert bench.api.wait_for(run_id, {"CANCELLED"})
    assert bench.api.wait_for(child, {"CANCELLED"})


def test_worker_started_before_the_server(bench: Bench, own_worker: MakeWorker) -> None:
    bench.platform.stop("prefect-server")
    worker = own_worker()
    time.sleep(3)
    assert worker.process is not None
    assert worker.process.poll() is None
    bench.platform.start("prefect-server")
    worker.wait_ready()
    run_id = bench.api.start({"params_list": [bench.step("teller", "train")]})
    assert bench.api.wait_final(run_id)["state"]["type"] == "COMPLETED"


def test_tiled_away_when_a_run_begins(bench: Bench, own_worker: MakeWorker) -> None:
    worker = own_worker(TOMOBEAM_TILED_PATIENCE_S="1")
    worker.wait_ready()
    bench.platform.stop("tiled")
    try:
        run_id = bench.api.start({"params_list": [bench.step("teller", "train")]})
        run = bench.api.wait_final(run_id)
    finally:
        bench.platform.start("tiled")
    assert run["state"]["type"] == "FAILED"
    assert f"Tiled at {bench.tiled_url}" in run["state"]["message"]


def test_a_second_worker_of_the_same_folder_is_refused(
    bench: Bench, own_worker: MakeWorker
) -> None:
    first = own_worker("twin")
    first.wait_ready()
    second = own_worker("twin")
    assert second.process is not None
    assert second.process.wait(timeout=60) == 1
    assert "TOMOBEAM_WORKER_STATE: another worker runs in" in second.log.read_text()


def test_a_wrong_login_is_named(bench: Bench, own_worker: MakeWorker) -> None:
    secret = bench.folder / "wrong"
    secret.write_text("admin:wrong")
    worker = own_worker(TOMOBEAM_PREFECT_AUTH_FILE=str(secret))
    assert worker.process is not None
    assert worker.process.wait(timeout=60) == 1
    assert "TOMOBEAM_PREFECT_AUTH: " in worker.log.read_text()
    assert "refuses this login" in worker.log.read_text()


def test_the_server_ends_what_no_worker_takes_up(bench: Bench, own_worker: MakeWorker) -> None:
    """A worker that died between taking a run and beginning it, or before it cancelled one."""
    taken, cancelled = (
        bench.api.start({"params_list": [bench.step("teller", "train")]}) for _ in range(2)
    )
    bench.api.set_state(taken, "PENDING")
    for state in ("PENDING", "RUNNING", "CANCELLING"):
        bench.api.set_state(cancelled, state)
    run = bench.api.wait_final(taken, AUTOMATION_S)
    assert run["state"]["type"] == "CRASHED"
    assert "never began it" in run["state"]["message"]
    run = bench.api.wait_final(cancelled, AUTOMATION_S)
    assert run["state"]["type"] == "CANCELLED"


def test_provisioning_again_changes_nothing(bench: Bench) -> None:
    def found() -> tuple[list[str], list[str], int]:
        rules = bench.api.post("/automations/filter")
        pool = bench.api.get("/work_pools/tomobeam")
        deployments = bench.api.post("/deployments/filter")
        return (
            sorted(rule["name"] for rule in rules),
            [deployment["id"] for deployment in deployments],
            pool["concurrency_limit"],
        )

    before = found()
    environment = bench.platform.provision_environment("prefect-server")
    subprocess.run([COMMAND, "provision"], env=environment, check=True, timeout=120)
    assert found() == before
    assert before[0] == [
        "tomobeam: run never begun",
        "tomobeam: run not cancelled",
        "tomobeam: silent run",
    ]
