"""Starts a flow run on the Prefect server and waits for its end, by the server's own API."""

from __future__ import annotations

import time
import uuid
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from tomobeam_common.tiled import Node
from tomobeam_contracts.destinations import DEPLOYMENT_NAME, FLOW_NAME, RESULTS
from tomobeam_contracts.flow import (
    FlowIoParameters,
    FlowType,
    LaunchParameters,
    Step,
    StepParameters,
    TaskName,
    run_tags,
)
from tomobeam_contracts.tree import metadata_uri

POLL_S = 0.3
# For so long a server may be busy; on SQLite it answers 503 while its database is locked.
BUSY_S = 20.0
_BUSY = (429, 502, 503, 504)
TASKS: tuple[TaskName, ...] = ("train", "inference")
_BEGUN = ("RUNNING", "COMPLETED")
_ENDED_BADLY = ("FAILED", "CRASHED", "CANCELLED")
_WORKER_LABEL = "prefect.worker.name"


class FlowRunError(RuntimeError):
    """A flow run did not complete; the message is Prefect's."""


class Prefect:
    """One connection to the server, with its one login."""

    def __init__(self, api_url: str, auth: str) -> None:
        user, _, password = auth.partition(":")
        self._http = httpx.Client(base_url=api_url, auth=(user, password), timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def start(self, name: str, parameters: LaunchParameters, image: Node) -> str:
        """Create a run of the parent flow on an image; its id.

        Raises:
            FlowRunError: the server is away or refuses.
        """
        flow, deployment = quote(FLOW_NAME), quote(DEPLOYMENT_NAME)
        found = self._call("GET", f"/deployments/name/{flow}/{deployment}")
        tags = run_tags("inference", image.path)
        body = {
            "name": name,
            "parameters": parameters.to_wire(),
            "tags": tags,
            # Asked again, the server makes no second run.
            "idempotency_key": str(uuid.uuid4()),
        }
        return self._call("POST", f"/deployments/{found['id']}/create_flow_run", json=body)["id"]

    def wait_begun(self, run_id: str, limit_s: float) -> str:
        """Wait until a worker has begun a run; the worker's name.

        Raises:
            FlowRunError: none does, or it ended badly.
        """
        run = self._wait(run_id, _BEGUN, limit_s)
        return (run.get("labels") or {}).get(_WORKER_LABEL) or "a worker without a name"

    def wait(self, run_id: str, limit_s: float) -> None:
        """Wait until a run has ended well.

        Raises:
            FlowRunError: it failed, crashed, was cancelled or takes too long.
        """
        self._wait(run_id, ("COMPLETED",), limit_s)

    def steps(self, run_id: str) -> list[dict[str, Any]]:
        """The child runs of a run, in their order."""
        body = {
            "flow_runs": {"parent_flow_run_id": {"any_": [run_id]}},
            "sort": "START_TIME_ASC",
        }
        return self._call("POST", "/flow_runs/filter", json=body)

    def cancel(self, run_id: str) -> None:
        """Ask for the end of a run that nobody waits for any more."""
        body = {"state": {"type": "CANCELLING", "message": "Nobody waits for it any more."}}
        self._call("POST", f"/flow_runs/{run_id}/set_state", json=body)

    def _wait(self, run_id: str, wanted: tuple[str, ...], limit_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while True:
            run = self._call("GET", f"/flow_runs/{run_id}")
            state = run["state"] or {}
            if state.get("type") in wanted:
                return run
            if state.get("type") in _ENDED_BADLY:
                raise FlowRunError(f"{state['name']}: {state.get('message')}")
            if time.monotonic() > deadline:
                raise FlowRunError(f"still {state.get('name')} after {limit_s:.0f} s")
            time.sleep(POLL_S)

    def _call(self, method: str, route: str, **kwargs: Any) -> Any:
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                response = self._http.request(method, route, **kwargs)
            except httpx.TransportError as error:
                raise FlowRunError(f"Prefect at {self._http.base_url}: {error}") from error
            if response.is_success:
                return response.json()
            if response.status_code not in _BUSY or time.monotonic() > deadline:
                said = f"{response.status_code} {response.text[:300]}"
                raise FlowRunError(f"Prefect: {route}: {said}")
            time.sleep(POLL_S)


def train_and_segment(
    tiled_url: str,
    image: Node,
    mask: str,
    algorithm: str,
    job: str,
    *,
    model_parameters: dict[str, Any] | None = None,
    marked_slices_only: bool = False,
    flow_type: FlowType | None = None,
) -> LaunchParameters:
    """Train on the mask of that tree path, then segment the image, or the marked slices of it."""

    def step(task: TaskName) -> Step:
        masked = task == "train" or marked_slices_only
        io = FlowIoParameters(
            data_tiled_uri=metadata_uri(tiled_url, image.path),
            mask_tiled_uri=metadata_uri(tiled_url, mask) if masked else None,
            seg_tiled_uri=metadata_uri(tiled_url, RESULTS),
            job_name=job,
        )
        params = StepParameters(io_parameters=io, model_parameters=model_parameters or {})
        return Step(model_name=algorithm, task_name=task, params=params)

    return LaunchParameters(params_list=[step(task) for task in TASKS], flow_type=flow_type)
