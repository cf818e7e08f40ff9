"""Train: from an image and its painted mask to a model under `uid_save`."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from tomobeam_segmentation.access import Image
from tomobeam_segmentation.classifiers import Array, classifier
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.features import FeatureSettings, band, band_rows
from tomobeam_segmentation.intensity import IntensityRange, measure_range
from tomobeam_segmentation.job import Job
from tomobeam_segmentation.masks import FIELD, Mask
from tomobeam_segmentation.registry import feature_settings
from tomobeam_segmentation.samples import Painted, evenly, held_out, painted_pixels, test_scores
from tomobeam_segmentation.store import model_folder, save_model
from tomobeam_segmentation.talk import progress, say

# Of the whole job: reading a slice counts one, and each of the two fits as much as this.
FIT_STEPS = 10


def train(job: Job) -> None:
    """Fit the job's classifier and keep it.

    Raises:
        JobError: image, mask or a parameter is wrong; names it.
        JobFailed: Tiled or the disk failed the job.
    """
    folder = model_folder(job.io.models_dir, job.io.uid_save, "uid_save")
    settings = feature_settings(job.parameters)
    with job.data() as data, job.mask() as place:
        image = Image(data)
        mask = Mask(place, image)
        planes = _paint(mask, job.parameters)
        intensity = measure_range(image.slice, image.shape[0])
        say(f"intensity: {intensity.low:g} becomes 0 and {intensity.high:g} becomes 1")
        features, labels, strokes = _collect(image, mask, planes, intensity, settings)
    chosen = evenly(labels, job.parameters["max_pixels_per_class"], job.parameters["seed"])
    features, labels, strokes = features[chosen], labels[chosen], strokes[chosen]
    present = np.unique(labels)
    if present.size < 2:
        raise JobError(f"{FIELD}: only one class is painted where the image has values; paint two")
    names = [mask.classes[v].name if mask.classes else f"class {v}" for v in present]
    say(f"learning {_counts(labels, names)} from {features.shape[1]} features each")
    order = np.searchsorted(present, labels)
    model, scores = _fit(job, features, order, strokes, names, before=2 * len(planes))
    card = {
        "uid": job.io.uid_save,
        "algorithm": job.algorithm,
        "code_version": job.code_version,
        "data_uri": job.io.data_tiled_uri,
        "mask_uri": job.io.mask_tiled_uri,
        "job_name": job.name,
        "parameters": job.parameters,
        "features": settings,
        "intensity": intensity,
        "labels": present.tolist(),
        "classes": mask.classes,
        "class_count": mask.class_count or int(present.max()) + 1,
        "scores": scores,
    }
    save_model(folder, model, card)
    for name, score in scores.items():
        say(f"score {name}: {score:.4f}")
    say(f"trained: model {job.io.uid_save} is kept in {folder}")


def _paint(mask: Mask, parameters: dict[str, Any]) -> list[Painted]:
    planes, strokes, total = [], 0, 2 * len(mask.slices) + 2 * FIT_STEPS
    for k in range(len(mask.slices)):
        painted = painted_pixels(
            mask.plane(k), parameters["max_pixels_per_class"], parameters["seed"], strokes
        )
        strokes = int(painted.strokes.max(initial=strokes - 1)) + 1
        planes.append(painted)
        progress(k + 1, total, "mask planes read")
    found = np.unique(np.concatenate([painted.labels for painted in planes]))
    if found.size == 0:
        raise JobError(f"{FIELD}: no pixel is painted")
    if found.size == 1:
        name = mask.classes[found[0]].name if mask.classes else str(found[0])
        raise JobError(f"{FIELD}: only the class {name} is painted; paint at least two")
    return planes


def _collect(
    image: Image,
    mask: Mask,
    planes: list[Painted],
    intensity: IntensityRange,
    settings: FeatureSettings,
) -> tuple[Array, Array, Array]:
    cv2.setNumThreads(1)
    parts, kept, total = [], [], 2 * len(planes) + 2 * FIT_STEPS
    for k, (z, painted) in enumerate(zip(mask.slices, planes, strict=True)):
        if len(painted):
            plane, finite = intensity.normalise(image.slice(z))
            valued = finite[painted.rows, painted.columns]
            if not valued.all():
                say(f"slice {z}: {np.sum(~valued)} painted pixels have no value (NaN): left out")
            for some, found in _at(plane, painted.where(valued), settings):
                parts.append(found)
                kept.append(some)
        progress(len(planes) + k + 1, total, "annotated slices read")
    if not kept:
        raise JobError(f"{FIELD}: every painted pixel lies where the image has no value (NaN)")
    labels = np.concatenate([painted.labels for painted in kept])
    strokes = np.concatenate([painted.strokes for painted in kept])
    return np.concatenate(parts), labels, strokes


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


def _counts(labels: Array, names: list[str]) -> str:
    _, counts = np.unique(labels, return_counts=True)
    return ", ".join(f"{count} pixels of {name}" for name, count in zip(names, counts, strict=True))
