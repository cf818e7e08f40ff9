"""What every training does alike: it reads what was painted, and keeps the model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tomobeam_segmentation.access import Image
from tomobeam_segmentation.errors import JobError
from tomobeam_segmentation.intensity import IntensityRange, measure_range
from tomobeam_segmentation.job import Job
from tomobeam_segmentation.masks import FIELD, Mask
from tomobeam_segmentation.samples import Array, Painted, painted_pixels
from tomobeam_segmentation.store import Kept, save_model
from tomobeam_segmentation.talk import say


def read_painting(mask: Mask, most: int, seed: int, told: Callable[[int], None]) -> list[Painted]:
    """The painted pixels of each plane of the mask, at most `most` of each class in a plane.

    `told` hears how many planes are read.

    Raises:
        JobError: fewer than two classes are painted.
    """
    planes: list[Painted] = []
    strokes = 0
    for k in range(len(mask.slices)):
        painted = painted_pixels(mask.plane(k), most, seed, strokes)
        strokes = int(painted.strokes.max(initial=strokes - 1)) + 1
        planes.append(painted)
        told(k + 1)
    found = np.unique(np.concatenate([painted.labels for painted in planes]))
    if found.size == 0:
        raise JobError(f"{FIELD}: no pixel is painted")
    if found.size == 1:
        name = mask.classes[found[0]].name if mask.classes else str(found[0])
        raise JobError(f"{FIELD}: only the class {name} is painted; paint at least two")
    return planes


def with_value(painted: Painted, finite: Array, z: int) -> Painted:
    """Those of them where slice `z` has a value; `finite` is bool (H, W)."""
    valued = finite[painted.rows, painted.columns]
    if not valued.all():
        say(f"slice {z}: {np.sum(~valued)} painted pixels have no value (NaN): left out")
    return painted.where(valued)


def classes_painted(labels: Array, mask: Mask) -> tuple[Array, list[str]]:
    """The mask's values among `labels`, ascending, and the name of each.

    Raises:
        JobError: there are fewer than two.
    """
    if labels.size == 0:
        raise JobError(f"{FIELD}: every painted pixel lies where the image has no value (NaN)")
    present = np.unique(labels)
    if present.size < 2:
        raise JobError(f"{FIELD}: only one class is painted where the image has values; paint two")
    return present, [mask.classes[v].name if mask.classes else f"class {v}" for v in present]


def counts(labels: Array, names: list[str]) -> str:
    """How many pixels of each class, in words."""
    _, found = np.unique(labels, return_counts=True)
    return ", ".join(f"{count} pixels of {name}" for name, count in zip(names, found, strict=True))


def measure_image(image: Image) -> IntensityRange:
    """The image's intensity range, once for the model: inference normalises by it too.

    Raises:
        JobError: nothing can be told apart in the image.
    """
    intensity = measure_range(image.slice, image.shape[0])
    say(f"intensity: {intensity.low:g} becomes 0 and {intensity.high:g} becomes 1")
    return intensity


def keep_trained(
    job: Job,
    model: Kept,
    *,
    mask: Mask,
    intensity: IntensityRange,
    labels: Array,
    scores: dict[str, float],
) -> None:
    """Keep the model with all that inference needs to know, and say how good it is.

    `labels` are the mask's values that it tells apart, ascending.

    Raises:
        JobFailed: the disk refused.
    """
    card = {
        "uid": job.io.uid_save,
        "algorithm": job.algorithm,
        "code_version": job.code_version,
        "data_uri": job.io.data_tiled_uri,
        "mask_uri": job.io.mask_tiled_uri,
        "job_name": job.name,
        "parameters": job.parameters,
        "intensity": intensity,
        "labels": labels.tolist(),
        "classes": mask.classes,
        "class_count": mask.class_count or int(labels.max()) + 1,
        "scores": scores,
    }
    save_model(job.folder, model, card)
    for name, score in scores.items():
        say(f"score {name}: {score:.4f}")
    say(f"trained: model {job.io.uid_save} is kept in {job.folder}")
