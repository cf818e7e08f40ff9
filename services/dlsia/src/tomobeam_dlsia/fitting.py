"""Fits a network, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from tomobeam_contracts.tree import UNLABELLED
from tomobeam_dlsia.checkpoints import Checkpoints, Stage
from tomobeam_dlsia.crops import Batch, Lesson, crop_size, epoch_batches, exam_batches
from tomobeam_dlsia.nets import Net, build
from tomobeam_dlsia.scores import Tally
from tomobeam_segmentation.classifiers import class_weights
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.talk import say

Told = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Course:
    """What a network learns from, and what it is tested on; both by numbers of classes."""

    classes: int
    lessons: list[Lesson]
    exam: list[Lesson]


class Fit:
    """A network that is being trained on a course."""

    def __init__(self, course: Course, parameters: dict[str, Any], device: torch.device) -> None:
        self._course = course
        self._parameters = parameters
        self._device = device
        torch.manual_seed(parameters["seed"])
        self.net: Net = build(parameters, course.classes)
        self.net.module.to(device)
        self._optimizer = torch.optim.AdamW(
            self.net.module.parameters(), lr=parameters["learning_rate"]
        )
        self._crop = crop_size(course.lessons, parameters["crop_size"], 2 * self.net.grid)
        self._weights = self._class_weights()
        self._exam = exam_batches(
            course.exam, self._crop, parameters["batch_size"], parameters["seed"]
        )

    def run(self, checkpoints: Checkpoints, told: Told) -> list[dict[str, float]]:
        """Train the epochs that are missing, and keep each; `told` hears of them.

        Returns:
            the metrics of every epoch.

        Raises:
            JobError: the loss is no number any more.
            JobFailed: the disk refused.
        """
        history = self._take_up(checkpoints.last())
        for epoch in range(len(history), self._parameters["epochs"]):
            history.append(self._epoch(epoch))
            state = self.net.module.state_dict(), self._optimizer.state_dict()
            checkpoints.keep(Stage(*state, history))
            told(epoch + 1, history[-1])
        self.net.module.eval()
        return history

    def _take_up(self, stage: Stage | None) -> list[dict[str, float]]:
        if stage is None:
            return []
        self.net.module.load_state_dict(stage.network)
        self._optimizer.load_state_dict(stage.optimizer)
        say(f"going on after {len(stage.history)} of {self._parameters['epochs']} epochs")
        return stage.history

    def _epoch(self, epoch: int) -> dict[str, float]:
        # Nothing but the epoch's number, so that a training that goes on is like one in one go.
        random = np.random.default_rng((self._parameters["seed"], epoch))
        falling = 0.5 * (1 + math.cos(math.pi * epoch / self._parameters["epochs"]))
        for group in self._optimizer.param_groups:
            group["lr"] = self._parameters["learning_rate"] * falling
        self.net.module.train()
        batches = epoch_batches(
            self._course.lessons,
            self._crop,
            self._parameters["batch_size"],
            random,
            augment=self._parameters["augment"],
        )
        loss = float(np.mean([self._step(batch) for batch in batches]))
        if not math.isfinite(loss):
            raise JobError(
                f"model_parameters.learning_rate: {self._parameters['learning_rate']:g} is too"
                f" large: in epoch {epoch + 1} the loss is no number any more"
            )
        return {"train_loss": loss, **self._test(self._exam)}

    def _step(self, batch: Batch) -> float:
        loss, _, _ = self._judge(batch)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()

    def _test(self, batches: Iterable[Batch]) -> dict[str, float]:
        self.net.module.eval()
        tally, losses = Tally(self._course.classes), []
        with torch.inference_mode():
            for batch in batches:
                loss, truth, logits = self._judge(batch)
                tally.add(truth.cpu().numpy(), logits.argmax(dim=1).cpu().numpy())
                losses.append(loss.item())
        if not losses:
            return {}
        return {
            "heldout_loss": float(np.mean(losses)),
            "heldout_accuracy": tally.accuracy,
            "heldout_iou": tally.iou,
        }

    def _judge(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch's loss; of its labelled pixels the class, (n,), and the logits, (n, classes)."""
        planes, target = (torch.from_numpy(part).to(self._device) for part in batch)
        labelled = target != UNLABELLED
        logits = self.net.module(planes).permute(0, 2, 3, 1)[labelled]
        truth = target[labelled]
        return cross_entropy(logits, truth, self._weights), truth, logits

    def _class_weights(self) -> torch.Tensor | None:
        labels = np.concatenate([lesson.painted.labels for lesson in self._course.lessons])
        weights = class_weights(labels, self._parameters["class_balance"])
        if weights is None:
            return None
        of_class = np.zeros(self._course.classes, np.float32)
        of_class[labels] = weights
        return torch.from_numpy(of_class).to(self._device)
