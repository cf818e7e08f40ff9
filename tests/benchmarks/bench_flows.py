"""From the click to the job's first line: our worker type against Prefect's process worker.

Both run on the same server, in turn: a flow run is created by the client, and the clock stops
at the time stamp of the first line that the job itself prints, as the run's logs hold it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.services.flows.conftest import Bench, fill_tiled
from tests.services.flows.jobs import write_programs, write_registry
from tests.services.flows.prefect_api import PrefectApi
from tests.support.platform import local_platform

OURS, THEIRS = 9, 3
BOUND_S = 2.0
PREFECT = Path(sys.executable).with_name("prefect")
FLOW = """
import subprocess, sys
from prefect import flow, get_run_logger

@flow(name="plain flow")
def plain():
    job = subprocess.Popen([sys.executable, "-IS", "-c", "print('first line', flush=True)"],
                           stdout=subprocess.PIPE, text=True)
    for line in job.stdout:
        get_run_logger().info(line.rstrip())
    job.wait()

if __name__ == "__main__":
    flow.from_source(source=".", entrypoint="plain.py:plain").deploy(
        name="plain", work_pool_name="plain", ignore_warnings=True, print_next_steps=False)
"""


def _first_line(api: PrefectApi, flow_run: str, part: str) -> float:
    wanted = {"flow_run_id": {"any_": [flow_run]}}
    api.wait_for_line(flow_run, part, limit_s=120)
    lines = api.post("/logs/filter", logs=wanted, sort="TIMESTAMP_ASC", limit=200)
    stamp = next(line["timestamp"] for line in lines if part in line["message"])
    return datetime.fromisoformat(stamp).timestamp()


def ours(bench: Bench) -> list[float]:
    """Seconds from the click to the first line, with our worker."""
    took = []
    for _ in range(OURS):
        clicked = datetime.now(UTC).timestamp()
        run_id = bench.api.start({"params_list": [bench.step("teller", "train")]})
        child = bench.api.wait_for_child(run_id)
        took.append(_first_line(bench.api, child, "first line") - clicked)
        bench.api.wait_final(run_id)
    return took


@contextmanager
def _process_worker(bench: Bench, folder: Path) -> Iterator[str]:
    """Prefect's process worker with a flow that starts one process; the deployment's id."""
    folder.mkdir()
    (folder / "plain.py").write_text(FLOW)
    environment = os.environ | {
        "PREFECT_API_URL": bench.platform.site.prefect_api_url,
        "PREFECT_API_AUTH_STRING": bench.prefect_auth,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.3",
        "DO_NOT_TRACK": "1",
    }
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    pool = [PREFECT, "work-pool", "create", "plain", "--type", "process"]
    subprocess.run(pool, check=True, **quiet)
    subprocess.run([sys.executable, "plain.py"], cwd=folder, check=True, **quiet)
    worker = subprocess.Popen(
        # Started with signals ignored, as by nohup, it would not end when it is told to.
        ["env", "--default-signal", PREFECT, "worker", "start", "--pool", "plain"],
        cwd=folder,
        start_new_session=True,
        **quiet,
    )
    try:
        yield bench.api.get("/deployments/name/plain flow/plain")["id"]
    finally:
        worker.terminate()
        worker.wait(timeout=60)


def theirs(bench: Bench, folder: Path) -> list[float]:
    """The same with Prefect's process worker; a first run warms it and is not counted."""
    took = []
    with _process_worker(bench, folder) as deployment:
        for _ in range(THEIRS + 1):
            clicked = time.time()
            run = bench.api.post(
                f"/deployments/{deployment}/create_flow_run", state={"type": "SCHEDULED"}
            )
            took.append(_first_line(bench.api, run["id"], "first line") - clicked)
            bench.api.wait_final(run["id"])
    return took[1:]


def main() -> None:
    """Measure both and print the ratio."""
    folder = Path(tempfile.mkdtemp(prefix="bench-flows-"))
    write_programs(folder / "bin")
    write_registry(folder / "registry.json")
    with local_platform(folder / "site", ["prefect-server", "tiled"]) as platform:
        fill_tiled(platform)
        auth = platform.secret("prefect-auth")
        with PrefectApi(platform.site.prefect_api_url, auth) as api:
            bench = Bench(platform, api, folder)
            bench.shared_worker()
            own = ours(bench)
            bench.stop_shared_worker()
            prefects = theirs(bench, folder / "plain")
    shutil.rmtree(folder, ignore_errors=True)
    a, b = statistics.median(own), statistics.median(prefects)
    print(
        f"bench: click to the job's first line, our worker against Prefect's process worker "
        f"(median s): {a:.2f} / {b:.2f} = {a / b:.2f}"
    )
    print(f"bench: click to the job's first line, median against the bound (s): {a:.2f} / "
          f"{BOUND_S:.2f} = {a / BOUND_S:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
