"""A classifier and its features, as a model that segments slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from tomobeam_segmentation.classifiers import Array, Classifier, classifier
from tomobeam_segmentation.features import FeatureSettings, Plane, bands, feature_settings
from tomobeam_segmentation.store import ModelCard


@dataclass(frozen=True)
class PixelModel:
    """See `algorithms.Model`."""

    features: FeatureSettings
    classifier: Classifier

    @classmethod
    def load(cls, card: ModelCard, path: Path) -> Self:
        """See `Algorithms.load`."""
        # Slices are spread over threads already.
        cv2.setNumThreads(1)
        try:
            features = feature_settings(card.parameters)
        except KeyError as error:
            raise ValueError(f"its card lacks the parameter {error}") from error
        return cls(features, classifier(card.algorithm).load(path, len(features.names)))

    def probability(self, plane: Plane) -> Iterator[tuple[slice, Array]]:
        """See `algorithms.Model.probability`."""
        for rows, features in bands(plane, self.features):
            samples = np.ascontiguousarray(features.reshape(features.shape[0], -1).T)
            found = self.classifier.probability(samples)
            yield rows, found.T.reshape(-1, *features.shape[1:])
