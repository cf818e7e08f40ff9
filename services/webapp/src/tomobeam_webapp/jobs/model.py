"""A job as the page shows it, made from Prefect's documents."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from tomobeam_contracts.canary import is_canary
from tomobeam_contracts.flow import TaskName
from tomobeam_contracts.tree import tree_path

Document = dict[str, Any]
_USER_TAG = "user:"
_LAST_LINES = re.compile(r"\s*Last lines:.*", re.DOTALL)
_WHERE = re.compile(r"^Step \d+ of \d+, [^:]*: ")
_BEGUN = re.compile(r"^Step \d+ of \d+, \w+ with [^:]*$")
_FIELD = re.compile(r"^params_list\.[\w.]*?(\w+): ")
_FIELDS = {
    "data_tiled_uri": "The image",
    "mask_tiled_uri": "The mask",
    "seg_tiled_uri": "The results",
    "uid_retrieve": "The trained model",
    "model_name": "The algorithm",
}
_LABEL = re.compile(r"( \d{4}/\d\d/\d\d \d\d:\d\d:\d\d)+$")

FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_WORDS = {
    "SCHEDULED": "Waiting",
    "PENDING": "Starting",
    "RUNNING": "Running",
    "PAUSED": "Paused",
    "CANCELLING": "Cancelling",
    "CANCELLED": "Cancelled",
    "COMPLETED": "Done",
    "FAILED": "Failed",
    "CRASHED": "Broken off",
}
NO_WORKER = "No worker has taken this job yet. It starts by itself as soon as one is free."


class Step(BaseModel):
    """One child run: a training or a segmentation that one program does."""

    id: str
    name: str
    task: TaskName
    state: str
    algorithm: str
    parameters: dict[str, Any]
    image_path: str
    mask_uri: str | None
    ended: datetime | None


class Job(BaseModel):
    """One run of the parent flow."""

    id: str
    name: str
    task: TaskName
    image_path: str
    user: str | None
    algorithm: str
    state: str
    state_name: str
    message: str
    created: datetime
    started: datetime | None
    ended: datetime | None
    percent: float | None = None
    progress: str = ""
    annotated_only: bool
    steps: list[Step] = []

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in FINAL

    @property
    def words(self) -> str:
        """The state in a word."""
        return _WORDS.get(self.state, self.state_name)

    @property
    def title(self) -> str:
        """The name without its dates."""
        return _LABEL.sub("", self.name)

    @property
    def progress_words(self) -> str:
        """What the program says of its progress."""
        return "The program starts" if _BEGUN.match(self.progress) else self.progress

    @property
    def sentence(self) -> str:
        """What went wrong or is waited for; empty where there is nothing to say."""
        if self.state_name == "Late":
            return NO_WORKER
        if self.state not in ("FAILED", "CRASHED", "CANCELLED"):
            return ""
        said = _WHERE.sub("", _LAST_LINES.sub("", self.message)).strip()
        return _FIELD.sub(lambda found: f"{_FIELDS.get(found[1], found[1])}: ", said)


def user_tag(user: str) -> str:
    """The tag by which somebody's own runs are found."""
    return f"{_USER_TAG}{user}"


def read_job(run: Document) -> Job | None:
    """A job without its steps; None for a run that this page cannot show, or a canary's.

    Runs are anybody's who knows the login, in the form of older clients too.
    """
    first = _first_step(run.get("parameters"))
    tags = run.get("tags") or []
    io = (first.get("params") or {}).get("io_parameters") or {}
    image_path = _path(io.get("data_tiled_uri"))
    task = "inference" if "inference" in tags else "train"
    if image_path is None or is_canary(image_path):
        return None
    state = run.get("state") or {}
    return Job(
        id=run["id"],
        name=run["name"],
        task=first.get("task_name") or task,
        image_path=image_path,
        user=next((t[len(_USER_TAG) :] for t in tags if t.startswith(_USER_TAG)), None),
        algorithm=first.get("model_name") or first.get("image_name") or "",
        state=run.get("state_type") or "PENDING",
        state_name=run.get("state_name") or "",
        message=state.get("message") or "",
        created=run["created"],
        started=run.get("start_time"),
        ended=run.get("end_time"),
        annotated_only=bool(io.get("mask_tiled_uri")),
    )


def read_step(run: Document) -> Step | None:
    """A step from a child run; None for one in a form that is not ours."""
    given = run.get("parameters") or {}
    params = given.get("params") or {}
    io = params.get("io_parameters") or {}
    image_path = _path(io.get("data_tiled_uri"))
    tags = run.get("tags") or []
    task = given.get("task_name") or ("inference" if "inference" in tags else "train")
    if image_path is None or task not in ("train", "inference"):
        return None
    return Step(
        id=run["id"],
        name=run["name"],
        task=task,
        state=run.get("state_type") or "PENDING",
        algorithm=given.get("model_name") or given.get("image_name") or "",
        parameters=params.get("model_parameters") or {},
        image_path=image_path,
        mask_uri=io.get("mask_tiled_uri"),
        ended=run.get("end_time"),
    )


def _first_step(parameters: Any) -> Document:
    steps = (parameters or {}).get("params_list")
    return steps[0] if isinstance(steps, list) and steps and isinstance(steps[0], dict) else {}


def _path(uri: Any) -> str | None:
    try:
        return tree_path(uri)
    except (ValueError, TypeError):
        return None
