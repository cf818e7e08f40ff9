"""Train a network: from an image and its painted mask to a model under `uid_save`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np

from tomobeam_dlsia.bands import as_input
from tomobeam_dlsia.checkpoints import Checkpoints
from tomobeam_dlsia.crops import Lesson
from tomobeam_dlsia.device import choose_device
from tomobeam_dlsia.fitting import Course, Fit
from tomobeam_dlsia.model import NetworkModel
from tomobeam_dlsia.nets import build
from tomobeam_dlsia.scores import Tally
from tomobeam_segmentation.access import Image
from tomobeam_segmentation.classifiers import Array
from tomobeam_segmentation.intensity import IntensityRange
from tomobeam_segmentation.job import Job
from tomobeam_segmentation.masks import Mask
from tomobeam_segmentation.samples import Painted, held_out, test_scores
from tomobeam_segmentation.talk import progress, say
from tomobeam_segmentation.training import (
    classes_painted,
    counts,
    keep_trained,
    measure_image,
    read_painting,
    with_value,
)

# How a job runs; the model does not depend on it.
RUN = ("n_jobs", "device", "save_probability")


def train(job: Job) -> None:
    """See `Algorithms.train`; a training that was killed goes on after its last whole epoch."""
    device = choose_device(job.parameters)
    with job.data() as data, job.mask() as place:
        image = Image(data)
        mask = Mask(place, image)
        before = 2 * len(mask.slices)
        total = before + job.parameters["epochs"]
        painted = read_painting(
            mask,
            image.shape[1] * image.shape[2],
            job.parameters["seed"],
            lambda k: progress(k, total, "mask planes read"),
        )
        intensity = measure_image(image)
        planes, painted = _read(image, mask, painted, intensity, total)
    everything = Painted.join(painted)
    labels, names = classes_painted(everything.labels, mask)
    say(f"learning {counts(everything.labels, names)}")
    course = _course(planes, painted, labels, job.parameters)
    fit = Fit(course, job.parameters, device)

    def told(epoch: int, metrics: dict[str, float]) -> None:
        words = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        say(f"epoch {epoch}: {words}")
        progress(before + epoch, total, "epochs trained")

    history = fit.run(Checkpoints(job.folder, _task(job, course)), told)
    model = NetworkModel(fit.net, device)
    scores = {"painted_pixels": float(len(everything)), "train_loss": history[-1]["train_loss"]}
    scores |= _scores(model, course, names)
    keep_trained(job, model, mask=mask, intensity=intensity, labels=labels, scores=scores)


def _read(
    image: Image, mask: Mask, painted: list[Painted], intensity: IntensityRange, total: int
) -> tuple[list[Array], list[Painted]]:
    """The planes of the annotated slices on the intensity range, and what of them counts."""
    planes, kept = [], []
    for k, (z, some) in enumerate(zip(mask.slices, painted, strict=True)):
        plane, finite = intensity.normalise(image.slice(z))
        planes.append(plane)
        kept.append(with_value(some, finite, z))
        progress(len(painted) + k + 1, total, "annotated slices read")
    return planes, kept


def _course(
    planes: list[Array], painted: list[Painted], labels: Array, parameters: dict[str, Any]
) -> Course:
    """Lessons and exam, by strokes that are held out, on whole numbers of the network's cells."""
    everything = Painted.join(painted)
    tested = held_out(everything.labels, everything.strokes, parameters["seed"])
    ends = np.cumsum([len(some) for some in painted])[:-1]
    grid = 2 * build(parameters, len(labels)).grid
    lessons, exam = [], []
    for plane, some, of_exam in zip(planes, painted, np.split(tested, ends), strict=True):
        numbered = replace(some, labels=np.searchsorted(labels, some.labels))
        for parts, chosen in ((lessons, ~of_exam), (exam, of_exam)):
            if chosen.any():
                parts.append(Lesson.of(as_input(plane, grid), numbered.where(chosen)))
    return Course(len(labels), lessons, exam)


def _task(job: Job, course: Course) -> str:
    """All on which the training depends, as text."""
    digest = hashlib.sha256()
    for lesson in [*course.lessons, *course.exam]:
        digest.update(lesson.plane.tobytes())
        digest.update(lesson.target.tobytes())
    wanted = {name: value for name, value in job.parameters.items() if name not in RUN}
    return json.dumps([job.algorithm, job.code_version, wanted, digest.hexdigest()], sort_keys=True)


def _scores(model: NetworkModel, course: Course, names: list[str]) -> dict[str, float]:
    """The scores on the pixels that were held out, segmented as an inference would."""
    truths, founds = [], []
    for lesson in course.exam:
        found = np.empty(lesson.plane.shape, np.int64)
        for rows, share in model.of_input(lesson.plane):
            found[rows] = share.argmax(axis=0)
        truths.append(lesson.painted.labels)
        founds.append(found[lesson.painted.rows, lesson.painted.columns])
    if not truths:
        return {}
    truth, found = np.concatenate(truths), np.concatenate(founds)
    tally = Tally(course.classes)
    tally.add(truth, found)
    return test_scores(truth, found, names) | {"heldout_iou_mean": tally.iou}
