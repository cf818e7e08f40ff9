"""How far an inference has come, so that a killed one goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from tomobeam_contracts.wire import Wire
from tomobeam_segmentation.store import write_atomically

STATE_FILE = "inference.json"


class State(Wire):
    """What `inference.json` holds."""

    task: dict[str, Any] = Field(description="all on which the result depends")
    done: int = Field(ge=0, description="planes from the first on that Tiled has confirmed")


class Resume:
    """The state file of one run."""

    def __init__(self, folder: Path, task: dict[str, Any]) -> None:
        """`task` is JSON-ready; a state of any other task, or a damaged one, counts as none."""
        self._path = folder / STATE_FILE
        self._task = task

    def done(self) -> int:
        """How many planes are written already."""
        try:
            state = State.receive_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return 0
        return state.done if state.task == self._task else 0

    def record(self, done: int) -> None:
        """Remember that the first `done` planes are written.

        Raises:
            JobFailed: the disk refused.
        """
        write_atomically(self._path, State(task=self._task, done=done).model_dump_json())
