"""Train a pixel classifier: from an image and its painted mask to a model under `uid_save`."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tomobeam_segmentation.access import Image
from tomobeam_segmentation.classifiers import Array, classifier
from tomobeam_segmentation.features import FeatureSettings, band, band_rows, feature_settings
from tomobeam_segmentation.intensity import IntensityRange
from tomobeam_segmentation.job import Job
from tomobeam_segmentation.masks import Mask
from tomobeam_segmentation.samples import Painted, evenly, held_out, test_scores
from tomobeam_segmentation.talk import progress, say
from tomobeam_segmentation.training import (
    classes_painted,
    counts,
    keep_trained,
    measure_image,
    read_painting,
    with_value,
)

# Of the whole job: reading a slice counts one, and each of the two fits as much as this.
FIT_STEPS = 10


def train(job: Job) -> None:
    """See `Algorithms.train`."""
    settings = feature_settings(job.parameters)
    most, seed = job.parameters["max_pixels_per_class"], job.parameters["seed"]
    with job.data() as data, job.mask() as place:
        image = Image(data)
        mask = Mask(place, image)
        total = 2 * len(mask.slices) + 2 * FIT_STEPS
        planes = read_painting(mask, most, seed, lambda k: progress(k, total, "mask planes read"))
        intensity = measure_image(image)
        features, painted = _collect(image, mask, planes, intensity, settings)
    present, names = classes_painted(painted.labels, mask)
    chosen = evenly(painted.labels, most, seed)
    features, painted = features[chosen], painted.where(chosen)
    say(f"learning {counts(painted.labels, names)} from {features.shape[1]} features each")
    order = np.searchsorted(present, painted.labels)
    model, scores = _fit(job, features, order, painted.strokes, names, before=2 * len(planes))
    keep_trained(job, model, mask=mask, intensity=intensity, labels=present, scores=scores)


def _collect(
    image: Image,
    mask: Mask,
    planes: list[Painted],
    intensity: IntensityRange,
    settings: FeatureSettings,
) -> tuple[Array, Painted]:
    cv2.setNumThreads(1)
    parts, kept = [np.empty((0, len(settings.names)), np.float32)], []
    total = 2 * len(planes) + 2 * FIT_STEPS
    for k, (z, painted) in enumerate(zip(mask.slices, planes, strict=True)):
        if len(painted):
            plane, finite = intensity.normalise(image.slice(z))
            for some, found in _at(plane, with_value(painted, finite, z), settings):
                parts.append(found)
                kept.append(some)
        progress(len(planes) + k + 1, total, "annotated slices read")
    return np.concatenate(parts), Painted.join(kept)


def _at(plane: Array, painted: Painted, settings: FeatureSettings) -> list[tuple[Painted, Array]]:
    found = []
    for rows in band_rows(plane.shape):
        inside = painted.where((painted.rows >= rows.start) & (painted.rows < rows.stop))
        if len(inside):
            features = band(plane, rows, settings)
            found.append((inside, features[:, inside.rows - rows.start, inside.columns].T))
    return found


def _fit(
    job: Job, features: Array, labels: Array, strokes: Array, names: list[str], *, before: int
) -> tuple[Any, dict[str, float]]:
    kind, total = classifier(job.algorithm), before + 2 * FIT_STEPS
    tested = held_out(labels, strokes, job.parameters["seed"])
    scores: dict[str, float] = {"painted_pixels": float(labels.size)}

    def told(start: int, what: str) -> Any:
        return lambda done, of: progress(start + FIT_STEPS * done // of, total, what)

    if tested.any():
        trial = kind.fit(
            features[~tested],
            labels[~tested],
            job.parameters,
            told(before, "fitted, on trial without the held-out strokes"),
        )
        found = trial.probability(features[tested]).argmax(axis=1)
        scores |= test_scores(labels[tested], found, names)
    model = kind.fit(features, labels, job.parameters, told(before + FIT_STEPS, "fitted"))
    return model, scores | model.scores
