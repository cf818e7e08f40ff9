"""Flow runs in the older worker's form, whose jobs are real containers of podman."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services.flows.conftest import Bench, WorkerProcess
from tests.support.container_jobs import PROGRAMS
from tests.support.containers import IMAGE, TAG, Podman, missing, podman
from tests.support.jobs import algorithm
from tests.support.waiting import wait_for
from tomobeam_contracts.launchers import ContainerJobs, Launchers, Limits

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

GONE_LIMIT_S = 10.0


@dataclass
class Containers:
    """A worker that launches containers, and a stranger's way to ask for them."""

    bench: Bench
    podman: Podman
    worker: WorkerProcess
    data: Path

    def step(self, command: str, **wishes: Any) -> dict[str, Any]:
        """A step as the older worker's clients send it: no name of an algorithm, no task."""
        step = self.bench.step("", "train", uid_retrieve="a-model")
        del step["model_name"], step["task_name"]
        return {**step, "image_name": IMAGE, "image_tag": TAG, "command": command, **wishes}

    def start(self, *steps: dict[str, Any]) -> str:
        return self.bench.api.start({"flow_type": "podman", "params_list": list(steps)})

    def start_work(self, how: str) -> tuple[str, str]:
        """Start an endless job; its run and its step's, once it is at work."""
        run_id = self.start(self.step(f"work {how}"))
        child = self.bench.api.wait_for_child(run_id)
        self.bench.api.wait_for_line(child, "at work")
        return run_id, child

    def wait_gone(self) -> None:
        wait_for(lambda: not self.podman.names(), "the container to be gone", GONE_LIMIT_S)


def _registry(path: Path) -> None:
    image = {"image_name": IMAGE, "image_tag": TAG}
    commands = {
        "look": ("look train", "look inference"),
        "work": ("work polite", "work deaf"),
        "fail": ("fail", "silent"),
        "eat": ("eat", "nothing-here"),
    }
    contents = [
        algorithm(
            train,
            model_name=name,
            python_file_name={"train": train, "inference": inference},
            **image,
        ).to_wire()
        for name, (train, inference) in commands.items()
    ]
    elsewhere = {"model_name": "elsewhere", "image_name": "registry.example/dlsia"}
    commands = {"train": "train", "inference": "infer"}
    contents.append(algorithm("", image_tag="v3", python_file_name=commands, **elsewhere).to_wire())
    path.write_text(json.dumps({"contents": contents}))


@pytest.fixture(scope="module")
def containers(bench: Bench) -> Iterator[Containers]:
    """A worker with podman, and no other worker."""
    bench.stop_shared_worker()
    registry, data = bench.folder / "images.json", bench.folder / "data"
    _registry(registry)
    (data / "scan").mkdir(parents=True)
    (data / "scan/slice").touch()
    with podman(PROGRAMS) as runtime:
        jobs = ContainerJobs(
            socket=runtime.socket, mounts=(data,), limits=Limits(memory_mib=128, max_time_s=120)
        )
        worker = bench.worker(
            "containers",
            TOMOBEAM_REGISTRY=str(registry),
            TOMOBEAM_LAUNCHERS=Launchers(podman=jobs).model_dump_json(),
        )
        worker.start()
        worker.wait_ready()
        yield Containers(bench, runtime, worker, data)
        worker.stop()


def test_the_older_form_gets_a_result(containers: Containers) -> None:
    bench = containers.bench
    wishes = {"volumes": [f"{containers.data}/scan:/data"], "network": "", "env_vars": {}}
    run_id = containers.start(
        containers.step("python look train", **wishes),
        containers.step("look inference", **wishes),
    )
    run = bench.api.wait_final(run_id)
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    train, inference = bench.api.children(run_id)
    lines = bench.api.logs(train["id"])
    seen = json.loads(next(line for line in lines if line.startswith("{")))
    assert seen["argv"] == ["train", "/app/work/config/params.yaml"]
    assert seen["mounts"] == ["slice"]
    assert f"uid_save: {train['id']}" in seen["text"]
    assert "my key is ***" in lines
    assert bench.tiled_key not in "".join(lines)
    assert bench.api.artifact(f"progress-{inference['id']}") is not None
    assert containers.podman.names() == []
    assert not list((bench.folder / "containers").glob("podman-jobs/*"))


def _mount(containers: Containers) -> dict[str, Any]:
    (containers.data / "out").unlink(missing_ok=True)
    (containers.data / "out").symlink_to("/etc")
    return containers.step("look train", volumes=[f"{containers.data}/out:/data"])


REFUSALS: list[tuple[Callable[[Containers], dict[str, Any]], str]] = [
    (
        lambda c: c.step("look train", image_name="docker.io/library/evil"),
        "params_list.0.image_name: 'docker.io/library/evil' is not in the registry",
    ),
    (
        lambda c: c.step("look train; id"),
        "params_list.0.command: 'look train; id' is not in the registry",
    ),
    (
        lambda c: c.step("look train", volumes=["/:/data"]),
        "params_list.0.volumes.0: / is not in a folder that may be mounted",
    ),
    (_mount, "which is /etc, is not in a folder that may be mounted"),
    (
        lambda c: c.step("look train", volumes=[f"{c.data}:/data:rw"]),
        "params_list.0.volumes.0: 'rw' is not allowed",
    ),
    (
        lambda c: c.step("look train", network="bridge"),
        "params_list.0.network: 'bridge' is not allowed; jobs here use 'host'",
    ),
    (
        lambda c: c.step("look train", env_vars={"LD_PRELOAD": "/data/evil.so"}),
        "params_list.0.env_vars.LD_PRELOAD: a client may not set it here",
    ),
]


@pytest.mark.parametrize(("step", "sentence"), REFUSALS, ids=[said for _, said in REFUSALS])
def test_refused(
    containers: Containers, step: Callable[[Containers], dict[str, Any]], sentence: str
) -> None:
    run_id = containers.start(step(containers))
    run = containers.bench.api.wait_final(run_id)
    assert run["state"]["type"] == "FAILED"
    assert sentence in run["state"]["message"]
    assert containers.bench.api.children(run_id) == []


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("fail", "fail train: exit code 3. Last lines:"),
        ("silent", "it ended at once with exit code 0, without a word"),
        ("nothing-here", "the image cannot run 'nothing-here'"),
        ("eat", "its memory ran out, the limit is 128 MiB"),
    ],
)
def test_failed(containers: Containers, command: str, sentence: str) -> None:
    run_id = containers.start(containers.step(command))
    run = containers.bench.api.wait_final(run_id)
    assert run["state"]["type"] == "FAILED"
    assert sentence in run["state"]["message"]
    assert containers.podman.names() == []


def test_an_image_that_is_not_here(containers: Containers) -> None:
    elsewhere = {"image_name": "registry.example/dlsia", "image_tag": "v3"}
    run_id = containers.start(containers.step("train", **elsewhere))
    message = containers.bench.api.wait_final(run_id)["state"]["message"]
    assert "image registry.example/dlsia:v3 is not on this host, and none is ever pulled" in message


@pytest.mark.parametrize("how", ["polite", "deaf"])
@pytest.mark.parametrize("which", ["parent", "child"])
def test_cancelling_removes_the_container(containers: Containers, which: str, how: str) -> None:
    run_id, child = containers.start_work(how)
    containers.bench.api.set_state(run_id if which == "parent" else child, "CANCELLING")
    containers.wait_gone()
    for of_run in (child, run_id):
        assert containers.bench.api.wait_final(of_run)["state"]["type"] == "CANCELLED"


def test_the_runtime_is_away(containers: Containers) -> None:
    containers.podman.stop()
    try:
        run_id = containers.start(containers.step("look train"))
        message = containers.bench.api.wait_final(run_id)["state"]["message"]
    finally:
        containers.podman.start()
    assert f"podman does not answer at {containers.podman.socket}" in message


def test_a_killed_worker_leaves_no_orphan(containers: Containers) -> None:
    run_id, child = containers.start_work("deaf")
    containers.worker.kill()
    assert containers.podman.names() == [f"tomobeam-{child}"]
    containers.worker.start()
    containers.wait_gone()
    containers.worker.wait_ready()
    for of_run in (child, run_id):
        state = containers.bench.api.wait_final(of_run)["state"]
        assert (state["type"], "worker died" in state["message"]) == ("CRASHED", True)
    assert not list((containers.bench.folder / "containers").glob("podman-jobs/*"))


def test_a_worker_starts_without_its_runtime(containers: Containers) -> None:
    """Left by a dead worker, and found only once the socket is back."""
    _, child = containers.start_work("deaf")
    containers.worker.kill()
    containers.podman.stop()
    containers.worker.start()
    containers.worker.wait_ready()
    assert containers.bench.api.wait_final(child)["state"]["type"] == "CRASHED"
    containers.podman.start()
    containers.wait_gone()
