"""Starts a flow run on the Prefect server and waits for its end, by the server's own API."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from tomobeam_contracts.destinations import DEPLOYMENT_NAME, FLOW_NAME
from tomobeam_contracts.flow import LaunchParameters

POLL_S = 0.3


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

    def start(self, name: str, parameters: LaunchParameters, tags: list[str]) -> str:
        """Create a run of the parent flow; its id."""
        flow, deployment = quote(FLOW_NAME), quote(DEPLOYMENT_NAME)
        found = self._call("GET", f"/deployments/name/{flow}/{deployment}")
        body = {"name": name, "parameters": parameters.to_wire(), "tags": tags}
        return self._call("POST", f"/deployments/{found['id']}/create_flow_run", json=body)["id"]

    def wait(self, run_id: str, limit_s: float) -> dict[str, Any]:
        """Wait until a run has ended well.

        Raises:
            FlowRunError: it failed, crashed, was cancelled or takes too long.
        """
        deadline = time.monotonic() + limit_s
        while True:
            run = self._call("GET", f"/flow_runs/{run_id}")
            state = run["state"] or {}
            if state.get("type") == "COMPLETED":
                return run
            if state.get("type") in ("FAILED", "CRASHED", "CANCELLED"):
                raise FlowRunError(f"{state['name']}: {state.get('message')}")
            if time.monotonic() > deadline:
                raise FlowRunError(f"still {state.get('name')} after {limit_s:.0f} s")
            time.sleep(POLL_S)

    def steps(self, run_id: str) -> list[dict[str, Any]]:
        """The child runs of a run, in their order."""
        body = {
            "flow_runs": {"parent_flow_run_id": {"any_": [run_id]}},
            "sort": "START_TIME_ASC",
        }
        return self._call("POST", "/flow_runs/filter", json=body)

    def _call(self, method: str, route: str, **kwargs: Any) -> Any:
        response = self._http.request(method, route, **kwargs)
        if not response.is_success:
            raise FlowRunError(f"Prefect: {route}: {response.status_code} {response.text[:300]}")
        return response.json()
