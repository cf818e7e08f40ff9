"""A real Prefect server, a real Tiled and real workers."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.services.flows.jobs import write_programs, write_registry
from tests.services.flows.prefect_api import PrefectApi
from tests.support.platform import Platform, local_platform
from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.tree import metadata_uri
from tomobeam_deploy.site import Heartbeat, Site

COMMAND = Path(sys.executable).with_name("tomobeam-flows")
START_LIMIT_S = 120


def _short_heartbeats(site: Site) -> Site:
    return site.model_copy(update={"heartbeat": Heartbeat(every_s=2, dead_after_s=20)})


class WorkerProcess:
    """One worker, started as an operator's supervisor starts it."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = environment
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['TOMOBEAM_WORKER_PORT']}"

    def start(self) -> None:
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                [COMMAND, "worker"], env=self.environment, stdin=subprocess.DEVNULL,
                stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip

    def wait_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/healthz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"the worker is not ready:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


class Bench:
    """What the tests of this folder work with."""

    def __init__(self, platform: Platform, api: PrefectApi, folder: Path) -> None:
        self.platform = platform
        self.api = api
        self.folder = folder
        self.tiled_url = platform.site.tiled_url
        self.models = folder / "models"
        self.bin = folder / "bin"
        self.registry = folder / "registry.json"
        self.tiled_key = platform.secret("tiled-key-job")
        self.prefect_auth = platform.secret("prefect-auth")
        self._workers = 0
        self._shared: WorkerProcess | None = None

    def worker(self, name: str | None = None, **changes: str) -> WorkerProcess:
        self._workers += 1
        name = name or f"worker-{self._workers}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = self.platform.environment("worker") | {
            "TOMOBEAM_REGISTRY": str(self.registry),
            "TOMOBEAM_JOB_BIN": str(self.bin),
            "TOMOBEAM_MODELS_DIR": str(self.models),
            "TOMOBEAM_WORKER_NAME": name,
            "TOMOBEAM_WORKER_STATE": str(self.folder / name),
            "TOMOBEAM_WORKER_PORT": str(port),
            **changes,
        }
        return WorkerProcess(environment, self.folder / f"{name}.log")

    def shared_worker(self) -> WorkerProcess:
        if self._shared is None:
            self._shared = self.worker("shared")
            self._shared.start()
            self._shared.wait_ready()
        return self._shared

    def stop_shared_worker(self) -> None:
        if self._shared is not None:
            self._shared.stop()
            self._shared = None

    def uri(self, path: str) -> str:
        return metadata_uri(self.tiled_url, path)

    def step(
        self, model: str, task: str, image: str = "one", mask: str | None = None, **io: Any
    ) -> dict[str, Any]:
        if task == "train" and mask is None:
            mask = image
        parameters = {
            "data_tiled_uri": self.uri(f"recons/{image}"),
            "seg_tiled_uri": self.uri("results"),
            **io,
        }
        if mask:
            parameters["mask_tiled_uri"] = self.uri(f"masks/ada/recons/{mask}/digest")
        if task == "inference":
            parameters.setdefault("uid_retrieve", "a-model")
        body = {"io_parameters": parameters, "model_parameters": {}}
        return {"model_name": model, "task_name": task, "params": body}


def fill_tiled(platform: Platform) -> None:
    key = SecretStr(platform.secret("tiled-key-webapp"))
    with TiledClient(platform.site.tiled_url, key) as tiled:
        tiled.ensure_container("recons")
        tiled.ensure_container("results")
        for name in ("one", "two"):
            chunks = ((1,) * 4, (8,), (8,))
            tiled.create_array(f"recons/{name}", (4, 8, 8), "float32", chunks)
            uri = metadata_uri(platform.site.tiled_url, f"recons/{name}")
            tiled.ensure_container(f"masks/ada/recons/{name}")
            path = f"masks/ada/recons/{name}/digest"
            tiled.create_container(path, {"data_uri": uri})
            tiled.create_array(f"{path}/mask", (1, 8, 8), "int8", ((1,), (8,), (8,)))


@pytest.fixture(scope="package")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A running Prefect server and Tiled, images and masks, and job programs."""
    folder = tmp_path_factory.mktemp("flows")
    write_programs(folder / "bin")
    write_registry(folder / "registry.json")
    (folder / "models").mkdir()
    with local_platform(folder / "site", ["prefect-server", "tiled"], _short_heartbeats) as p:
        fill_tiled(p)
        with PrefectApi(p.site.prefect_api_url, p.secret("prefect-auth")) as api:
            bench = Bench(p, api, folder)
            yield bench
            bench.stop_shared_worker()


@pytest.fixture(autouse=True)
def _no_run_is_left(bench: Bench) -> Iterator[None]:
    """A failed test must not hold the pool's slots against the next."""
    yield
    for run in bench.api.open_runs():
        bench.api.set_state(run["id"], "CANCELLED")


@pytest.fixture
def worker(bench: Bench) -> WorkerProcess:
    """The worker that the tests share; it is alive and ready, and the only one."""
    return bench.shared_worker()


@pytest.fixture
def own_worker(bench: Bench) -> Iterator[Callable[..., WorkerProcess]]:
    """Makes workers of a test's own, and ends them; the shared one must not take their runs."""
    bench.stop_shared_worker()
    made: list[WorkerProcess] = []

    def make(name: str | None = None, **changes: str) -> WorkerProcess:
        process = bench.worker(name, **changes)
        made.append(process)
        process.start()
        return process

    yield make
    for process in made:
        if process.process is not None and process.process.poll() is None:
            process.stop()
