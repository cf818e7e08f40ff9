"""Runs in both forms, from a stranger's request to the job's last line."""

from __future__ import annotations

import json

import psutil

from tests.services.flows.conftest import Bench, WorkerProcess
from tests.services.flows.processes import shown_of
from tomobeam_contracts.flow import progress_key


def test_training_and_inference_in_one_run(bench: Bench, worker: WorkerProcess) -> None:
    steps = [bench.step("teller", "train"), bench.step("teller", "inference", uid_retrieve="")]
    run_id = bench.api.start({"params_list": steps}, name="beads")

    run = bench.api.wait_final(run_id)
    assert run["state"]["type"] == "COMPLETED", run["state"]
    train, inference = bench.api.children(run_id)
    assert train["tags"] == ["high-res-segmentation", "train", "recons/one"]
    assert inference["tags"] == ["high-res-segmentation", "inference", "recons/one"]
    assert train["name"].startswith("beads 20")
    assert inference["name"].startswith(train["name"])

    told = json.loads((bench.models / f"{inference['id']}.json").read_text())
    assert f"uid_save: {inference['id']}" in told["text"]
    assert f"uid_retrieve: {train['id']}" in told["text"]
    assert "seconds: 1" in told["text"], "defaults of the form are filled in"
    assert told["mode"] == 0o600
    assert told["folder_mode"] == 0o700
    assert bench.tiled_key in told["text"]
    assert set(told["environment"]) - {"SSL_CERT_FILE", "SSL_CERT_DIR"} == {
        "HOME", "LANG", "PATH", "PYTHONUNBUFFERED", "TMPDIR", "TOMOBEAM_JOB_ID",
    }  # fmt: skip
    jobs = bench.folder / "shared" / "jobs"
    assert list(jobs.iterdir()) == [], "the folder with the keys is gone"

    lines = bench.api.logs(train["id"])
    assert lines[0] == "first line of train"
    assert lines[-1] == "progress 4/4 slices done"
    assert any("Step 2 of 2, inference with teller: Completed" in x for x in bench.api.logs(run_id))
    for of_run in (train["id"], inference["id"], run_id):
        artifact = bench.api.artifact(progress_key(of_run))
        assert artifact is not None
        assert artifact["type"] == "progress"
        assert artifact["data"] == 100


def test_older_form_is_matched_by_image_and_command(bench: Bench, worker: WorkerProcess) -> None:
    step = bench.step("teller", "train", data_tiled_api_key="sent-by-an-older-client")
    del step["model_name"], step["task_name"]
    step |= {
        "image_name": "registry.example/teller",
        "image_tag": "v1",
        "command": "python tell train",
        "volumes": ["/data:/app/work/data"],
        "network": "host",
        "env_vars": {"HOME": "/"},
    }
    run_id = bench.api.start({"flow_type": "process", "params_list": [step]})
    assert bench.api.wait_final(run_id)["state"]["type"] == "COMPLETED"
    (child,) = bench.api.children(run_id)
    told = json.loads((bench.models / f"{child['id']}.json").read_text())
    assert "sent-by-an-older-client" not in told["text"]
    assert "sent-by-an-older-client" not in json.dumps(child)


def test_no_secret_is_seen_anywhere(bench: Bench, worker: WorkerProcess) -> None:
    run_id = bench.api.start({"params_list": [bench.step("teller", "train")]})
    assert bench.api.wait_final(run_id)["state"]["type"] == "COMPLETED"
    (child,) = bench.api.children(run_id)
    assert "my key is ***" in bench.api.logs(child["id"])
    seen = [
        json.dumps(bench.api.run(run_id)),
        json.dumps(child),
        *bench.api.logs(run_id),
        *bench.api.logs(child["id"]),
        json.dumps(bench.api.artifact(progress_key(child["id"]))),
        worker.log.read_text(),
    ]
    assert worker.process is not None
    tree = [psutil.Process(worker.process.pid)]
    tree += tree[0].children(recursive=True)
    seen += [shown_of(process.pid) for process in tree]
    for text in seen:
        assert bench.tiled_key not in text
        assert bench.prefect_auth.partition(":")[2] not in text


def test_uris_through_another_host_name_go_to_our_tiled(
    bench: Bench, worker: WorkerProcess
) -> None:
    step = bench.step("teller", "train")
    io = step["params"]["io_parameters"]
    io["data_tiled_uri"] = "http://elsewhere.example/api/v1/metadata/recons/one"
    run_id = bench.api.start({"params_list": [step]})
    assert bench.api.wait_final(run_id)["state"]["type"] == "COMPLETED"
    (child,) = bench.api.children(run_id)
    told = json.loads((bench.models / f"{child['id']}.json").read_text())
    assert "elsewhere.example" not in told["text"]
    assert f"data_tiled_uri: {bench.uri('recons/one')}" in told["text"]


def test_two_runs_at_once_keep_their_logs_apart(bench: Bench, worker: WorkerProcess) -> None:
    runs = {}
    for image in ("one", "two"):
        step = bench.step("counting", "train", image=image)
        step["params"]["model_parameters"] = {"seconds": 4}
        runs[image] = bench.api.start({"params_list": [step]})
    # Both are under way before either ends.
    children = {image: bench.api.wait_for_child(run_id) for image, run_id in runs.items()}
    for image, child in children.items():
        bench.api.wait_for_line(child, f"line 0 of {image}")
    assert {bench.api.state(child) for child in children.values()} == {"RUNNING"}
    for image, run_id in runs.items():
        assert bench.api.wait_final(run_id)["state"]["type"] == "COMPLETED"
        assert bench.api.logs(children[image]) == [f"line {i} of {image}" for i in range(20)]


def test_the_pool_limit_holds_a_third_run(bench: Bench, worker: WorkerProcess) -> None:
    step = bench.step("counting", "train")
    step["params"]["model_parameters"] = {"seconds": 5}
    first, second, third = (bench.api.start({"params_list": [step]}) for _ in range(3))
    bench.api.wait_for(first, {"COMPLETED"})
    bench.api.wait_for(second, {"COMPLETED"})
    bench.api.wait_for(third, {"COMPLETED"})
    runs = [bench.api.run(run_id) for run_id in (first, second, third)]
    starts = sorted(run["start_time"] for run in runs)
    ends = sorted(run["end_time"] for run in runs)
    assert starts[2] > ends[0], "the third began only once a slot was free"


def test_a_failed_run_can_be_run_again(bench: Bench, worker: WorkerProcess) -> None:
    broken = bench.bin / "tell"
    broken.chmod(0o644)
    try:
        run_id = bench.api.start({"params_list": [bench.step("teller", "train")]})
        assert bench.api.wait_final(run_id)["state"]["type"] == "FAILED"
    finally:
        broken.chmod(0o755)
    (old,) = bench.api.children(run_id)
    assert "the command 'tell' is not in" in old["state"]["message"]
    bench.api.set_state(run_id, "SCHEDULED", "AwaitingRetry")
    bench.api.wait_for(run_id, {"COMPLETED"})
    assert len(bench.api.children(run_id)) == 2
    assert bench.api.state(old["id"]) == "FAILED"
