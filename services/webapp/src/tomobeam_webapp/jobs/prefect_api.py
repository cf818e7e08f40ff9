"""The few calls of Prefect's REST API that the page needs.

Prefect's own client imports for ten seconds and holds a hundred megabytes; the page needs none
of what it does besides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import httpx

from tomobeam_contracts.destinations import (
    DEPLOYMENT,
    DEPLOYMENT_NAME,
    FLOW_NAME,
    PROJECT_TAG,
)
from tomobeam_contracts.flow import LaunchParameters, progress_key
from tomobeam_webapp.settings import WebSettings

OPEN_STATES = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED")
# The most that the server gives in one answer.
PAGE = 200

Document = dict[str, Any]


class JobServiceError(RuntimeError):
    """Prefect did not do what it was asked; the message is a sentence for the scientist."""


class JobServiceUnavailable(JobServiceError):
    """Prefect cannot be reached or is not able to answer now: try again later."""


AWAY = (
    "The job service does not answer. Jobs that run go on; starting and cancelling work again "
    "by themselves when it is back."
)
REFUSED = (
    "The job service refuses this page's login. The operator of the platform can put it right."
)


class PrefectApi:
    """One connection pool to Prefect's server. Safe to share between threads."""

    def __init__(self, settings: WebSettings, timeout_s: float = 20.0) -> None:
        user, _, password = settings.prefect_auth.get_secret_value().partition(":")
        self._http = httpx.Client(
            base_url=settings.prefect_api_url.rstrip("/"),
            auth=(user, password),
            timeout=httpx.Timeout(timeout_s, connect=5.0),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def start(self, name: str, parameters: LaunchParameters, tags: list[str]) -> Document:
        """Create a run of the deployment and return it.

        Raises:
            JobServiceError: the server is away, or has no such deployment.
        """
        flow, deployment = quote(FLOW_NAME, safe=""), quote(DEPLOYMENT_NAME, safe="")
        found = self._call("GET", f"/deployments/name/{flow}/{deployment}", missing=_NO_DEPLOYMENT)
        body = {"name": name, "parameters": parameters.to_wire(), "tags": tags}
        return self._call("POST", f"/deployments/{found['id']}/create_flow_run", json=body)

    def cancel(self, run_id: str) -> None:
        """Ask for the end of a run; one that has not begun is ended at once.

        Raises:
            JobServiceError: the server is away or refuses, in its words.
        """
        body = {"state": {"type": "CANCELLING", "message": "Cancelled on the page."}}
        answer = self._call(
            "POST", f"/flow_runs/{run_id}/set_state", json=body, missing="This job is gone."
        )
        # REJECT: the server put another state in place (Cancelled, where nothing ran yet).
        if answer["status"] in ("ABORT", "WAIT"):
            reason = (answer.get("details") or {}).get("reason") or "it gave no reason"
            raise JobServiceError(f"The job cannot be cancelled: {reason}")

    def parents(self, **conditions: Any) -> list[Document]:
        """The newest runs of the parent flow, at most `PAGE`."""
        return self._runs({"parent_task_run_id": {"is_null_": True}, **conditions})

    def children_of(self, parent_ids: Iterable[str]) -> list[Document]:
        """The steps of these runs; each names its parent in `parent_id`."""
        wanted = list(parent_ids)
        found: list[Document] = []
        for chunk in _chunks(wanted, PAGE // 4):
            found += self._runs({"parent_flow_run_id": {"any_": chunk}})
        owners: dict[str, str] = {}
        for chunk in _chunks([run["parent_task_run_id"] for run in found], PAGE):
            body = {"task_runs": {"id": {"any_": chunk}}, "limit": PAGE}
            answer = self._call("POST", "/task_runs/filter", json=body)
            owners |= {task["id"]: task["flow_run_id"] for task in answer}
        return [{**run, "parent_id": owners.get(run["parent_task_run_id"])} for run in found]

    def progress(self, run_ids: Iterable[str]) -> dict[str, tuple[float, str]]:
        """How far each of these runs is: percent and a few words."""
        found: dict[str, tuple[float, str]] = {}
        for chunk in _chunks(list(run_ids), PAGE):
            keys = [progress_key(run_id) for run_id in chunk]
            body = {"artifacts": {"key": {"any_": keys}}, "limit": PAGE}
            for artifact in self._call("POST", "/artifacts/filter", json=body):
                value = artifact.get("data")
                if isinstance(value, int | float):
                    words = str(artifact.get("description") or "")
                    found[artifact["flow_run_id"]] = (float(value), words)
        return found

    def log_tail(self, run_ids: list[str], lines: int) -> list[Document]:
        """The last lines of these runs together, oldest first: `timestamp level message`."""
        body = {
            "logs": {"flow_run_id": {"any_": run_ids}},
            "sort": "TIMESTAMP_DESC",
            "limit": min(lines, PAGE),
        }
        return list(reversed(self._call("POST", "/logs/filter", json=body)))

    def _runs(self, conditions: Document) -> list[Document]:
        body = {
            "flow_runs": {"tags": {"all_": [PROJECT_TAG]}, **conditions},
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": PAGE,
        }
        return self._call("POST", "/flow_runs/filter", json=body)

    def _call(self, method: str, route: str, *, missing: str = "", **kwargs: Any) -> Any:
        try:
            response = self._http.request(method, route, **kwargs)
        except httpx.TransportError as error:
            raise JobServiceUnavailable(AWAY) from error
        if response.status_code in (429, 502, 503, 504) or response.status_code == 500:
            raise JobServiceUnavailable(AWAY)
        if response.status_code in (401, 403):
            raise JobServiceError(REFUSED)
        if response.status_code == 404 and missing:
            raise JobServiceError(missing)
        if not response.is_success:
            raise JobServiceError(
                f"The job service refuses: {response.status_code} {response.text[:300]}"
            )
        return response.json() if response.content else {}


_NO_DEPLOYMENT = (
    f"The job service does not know “{DEPLOYMENT}” yet. The operator of the platform can set it up."
)


def _chunks(items: list[str], size: int) -> Iterable[list[str]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def id_filter(run_ids: Iterable[str]) -> Document:
    """The condition for exactly these runs."""
    return {"id": {"any_": list(run_ids)}}


def open_filter() -> Document:
    """The condition for runs that have not ended."""
    return {"state": {"type": {"any_": list(OPEN_STATES)}}}
