"""How far a training has come, so that a killed one goes on after its last epoch."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from tomobeam_dlsia.model import BROKEN, as_bytes
from tomobeam_segmentation.store import write_atomically

CHECKPOINT, METRICS = "checkpoint.pt", "metrics.csv"


@dataclass
class Stage:
    """A training after some of its epochs."""

    network: dict[str, Any]
    optimizer: dict[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)
    """of each epoch: its metrics"""


class Checkpoints:
    """`checkpoint.pt` and `metrics.csv` in the folder of a training."""

    def __init__(self, folder: Path, task: str) -> None:
        """`task` names all on which the training depends."""
        self._folder = folder
        self._task = task

    def last(self) -> Stage | None:
        """The last one of this task; one of another task, or a damaged one, counts as none."""
        try:
            found = torch.load(self._folder / CHECKPOINT, map_location="cpu", weights_only=True)
            if found["task"] != self._task:
                return None
            return Stage(found["network"], found["optimizer"], found["history"])
        except (FileNotFoundError, TypeError, *BROKEN):
            return None

    def keep(self, stage: Stage) -> None:
        """Replace the last one.

        Raises:
            JobFailed: the disk refused.
        """
        content = {"task": self._task, **vars(stage)}
        write_atomically(self._folder / CHECKPOINT, as_bytes(content))
        table = io.StringIO()
        writer = csv.DictWriter(table, ["epoch", *stage.history[0]])
        writer.writeheader()
        for n, metrics in enumerate(stage.history):
            writer.writerow({"epoch": n + 1, **metrics})
        write_atomically(self._folder / METRICS, table.getvalue())
