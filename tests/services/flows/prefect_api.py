"""A stranger's client of Prefect's HTTP API, for the tests."""

from __future__ import annotations

import time
from typing import Any

import httpx

TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class PrefectApi:
    """Asks the server as any client would."""

    def __init__(self, url: str, auth: str) -> None:
        # On SQLite the busy server now and then answers nothing for its lock's limit, 60 s.
        user, _, password = auth.partition(":")
        transport = httpx.HTTPTransport(retries=3)
        self.http = httpx.Client(
            base_url=url, auth=(user, password), timeout=120, transport=transport
        )

    def __enter__(self) -> PrefectApi:
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.close()

    def get(self, route: str) -> Any:
        return self._answer("GET", route)

    def post(self, route: str, **body: Any) -> Any:
        return self._answer("POST", route, json=body)

    def _answer(self, method: str, route: str, **kwargs: Any) -> Any:
        # SQLite is locked now and then; the server says 503 and clients ask again.
        for _ in range(40):
            response = self.http.request(method, route, **kwargs)
            if response.status_code != 503:
                break
            time.sleep(0.25)
        response.raise_for_status()
        return response.json() if response.content else None

    def start(self, parameters: dict[str, Any], name: str = "beads") -> str:
        deployment = self.get("/deployments/name/Parent flow/launch_parent_flow")
        run = self.post(
            f"/deployments/{deployment['id']}/create_flow_run",
            parameters=parameters,
            name=name,
            tags=["high-res-segmentation"],
            state={"type": "SCHEDULED"},
        )
        return run["id"]

    def run(self, run_id: str) -> dict[str, Any]:
        return self.get(f"/flow_runs/{run_id}")

    def state(self, run_id: str) -> str:
        return self.run(run_id)["state"]["type"]

    def message(self, run_id: str) -> str:
        return self.run(run_id)["state"]["message"] or ""

    def children(self, run_id: str) -> list[dict[str, Any]]:
        wanted = {"parent_flow_run_id": {"any_": [run_id]}}
        return self.post("/flow_runs/filter", flow_runs=wanted, sort="START_TIME_ASC")

    def logs(self, run_id: str) -> list[str]:
        wanted = {"flow_run_id": {"any_": [run_id]}}
        lines = self.post("/logs/filter", logs=wanted, sort="TIMESTAMP_ASC", limit=200)
        return [line["message"] for line in lines]

    def set_state(self, run_id: str, kind: str, name: str | None = None, **state: Any) -> Any:
        body = {"type": kind, "name": name or kind.capitalize(), **state}
        return self.post(f"/flow_runs/{run_id}/set_state", state=body)

    def cancel(self, run_id: str) -> bool:
        """Whether Prefect takes the cancellation."""
        return self.set_state(run_id, "CANCELLING")["status"] == "ACCEPT"

    def artifact(self, key: str) -> dict[str, Any] | None:
        found = self.post("/artifacts/latest/filter", artifacts={"key": {"any_": [key]}})
        return found[0] if found else None

    def wait_final(self, run_id: str, limit_s: float = 150) -> dict[str, Any]:
        return self.wait_for(run_id, TERMINAL, limit_s)

    def wait_for(self, run_id: str, states: set[str], limit_s: float = 150) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while True:
            run = self.run(run_id)
            if run["state"]["type"] in states:
                return run
            if time.monotonic() > deadline:
                raise TimeoutError(f"run {run_id} is {run['state']} after {limit_s} s")
            time.sleep(0.1)

    def wait_for_line(self, run_id: str, part: str, limit_s: float = 150) -> str:
        deadline = time.monotonic() + limit_s
        while True:
            for line in self.logs(run_id):
                if part in line:
                    return line
            if time.monotonic() > deadline:
                raise TimeoutError(f"no line with {part!r} in {self.logs(run_id)}")
            time.sleep(0.1)

    def wait_for_child(self, run_id: str, limit_s: float = 150) -> str:
        deadline = time.monotonic() + limit_s
        while True:
            if found := self.children(run_id):
                return found[-1]["id"]
            if time.monotonic() > deadline:
                raise TimeoutError(f"run {run_id} has no child: {self.run(run_id)['state']}")
            time.sleep(0.1)

    def open_runs(self) -> list[dict[str, Any]]:
        kinds = {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}
        return self.post("/flow_runs/filter", flow_runs={"state": kinds})
