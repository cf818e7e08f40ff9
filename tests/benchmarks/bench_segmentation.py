"""Pixel classification, per megapixel on one core: forest against boosting, features against both.

Everything is measured in one run, alternating, on the same slice; only the ratios mean anything.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from scipy import ndimage

from tests.support.specimens import Array, mean_iou, strokes, textured_stack
from tomobeam_segmentation.classifiers import Classifier, classifier
from tomobeam_segmentation.features import FeatureSettings, bands, compute, feature_settings
from tomobeam_segmentation.inference import Segmenter
from tomobeam_segmentation.intensity import measure_range
from tomobeam_segmentation.pixel_model import PixelModel
from tomobeam_segmentation.pixels import PIXELS
from tomobeam_segmentation.registry import check_parameters
from tomobeam_segmentation.store import ModelCard

SIZE = 1024
ROUNDS = 3
ALGORITHMS = ("random-forest", "gradient-boosting")


def main() -> None:
    """Print the ratios."""
    cv2.setNumThreads(1)
    image, truth = textured_stack(2, SIZE)
    mask = strokes(truth[0], 40)
    segmenters = {name: train(name, image, mask) for name in ALGORITHMS}
    found = {}

    def segment(name: str) -> Callable[[], object]:
        return lambda: found.update({name: segmenters[name].segment(image[1])[0]})

    settings = feature_settings(segmenters[ALGORITHMS[0]].card.parameters)
    plane = segmenters[ALGORITHMS[0]].card.intensity.normalise(image[1])[0]
    seconds = alternate(
        {
            **{name: segment(name) for name in ALGORITHMS},
            "features": lambda: [None for _ in bands(plane, settings)],
            "scipy": lambda: scipy_features(plane, settings),
        }
    )
    for name in ALGORITHMS:
        print(f"  {name}: mean IoU {mean_iou(found[name], truth[1]):.3f}")
    forest, boosting = (seconds[name] for name in ALGORITHMS)
    report("a megapixel segmented, random forest / gradient boosting", forest, boosting)
    report("a megapixel's features, scipy / ours", seconds["scipy"], seconds["features"])
    report("gradient boosting, whole / features alone", boosting, seconds["features"])


def train(name: str, image: Array, mask: Array) -> Segmenter:
    """A segmenter with the form's defaults, trained on the first slice."""
    parameters = check_parameters(PIXELS, name, {"n_jobs": 1})
    settings = feature_settings(parameters)
    intensity = measure_range(lambda z: image[z], len(image))
    features = compute(intensity.normalise(image[0])[0], settings)[:, mask >= 0].T
    labels = mask[mask >= 0].astype(int)
    model: Classifier = classifier(name).fit(features, labels, parameters, lambda *_: None)
    card = ModelCard(
        uid="bench",
        algorithm=name,
        code_version="bench",
        data_uri="",
        mask_uri="",
        job_name="bench",
        parameters=parameters,
        intensity=intensity,
        labels=[0, 1, 2],
        class_count=3,
        scores={},
        file="model",
        sha256="",
    )
    return Segmenter(card, PixelModel(settings, model), keep_probability=False)


def scipy_features(plane: Array, settings: FeatureSettings) -> None:
    """The same features from scipy's Gaussian derivatives, one filter each."""
    for sigma in settings.sigmas:
        # One for each axis, which scipy's types do not say.
        orders: Any = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
        smooth = [ndimage.gaussian_filter(plane, sigma, order, truncate=3) for order in orders]
        y, x = smooth[1], smooth[2]
        tensor = [ndimage.gaussian_filter(p, sigma, truncate=3) for p in (y * y, y * x, x * x)]
        np.hypot(x, y)
        for yy, yx, xx in (smooth[3:], tensor):
            np.hypot((yy - xx) / 2, yx)


def alternate(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median CPU seconds of each, in turns: a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.process_time()
            work()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(what: str, a: float, b: float) -> None:
    """Print one ratio."""
    print(f"bench: {what}: {a:.2f} s / {b:.2f} s = {a / b:.2f}")


if __name__ == "__main__":
    main()
