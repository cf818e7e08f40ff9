"""A forest of decision trees by scikit-learn, kept by skops.

Either a random forest (Breiman, Machine Learning 45, 2001, doi:10.1023/A:1010933404324) or, with
thresholds drawn at random, extremely randomised trees (Geurts et al., Machine Learning 63, 2006,
doi:10.1007/s10994-006-6226-1), whose borders lie farther from the strokes.
"""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import skops.io
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from skops.io.exceptions import UntrustedTypesFoundException

from tomobeam_segmentation.classifiers import Array, Told, class_weights

# skops refuses it by default because scikit-learn follows its node numbers unchecked:
# `_check_nodes` checks them before the first prediction.
_TRUSTED = ["sklearn.tree._tree.Tree"]
_LEAF = -1
STEPS = 10


class Forest:
    """A random forest."""

    file_name: ClassVar[str] = "forest.skops"

    def __init__(self, forest: RandomForestClassifier | ExtraTreesClassifier) -> None:
        self._forest = forest
        # Slices are spread over threads already; a second level would also sum in any order.
        self._forest.n_jobs = 1

    @classmethod
    def fit(cls, features: Array, labels: Array, parameters: dict[str, Any], told: Told) -> Self:
        """See `Classifier.fit`."""
        total = parameters["n_estimators"]
        kind = ExtraTreesClassifier if parameters["random_thresholds"] else RandomForestClassifier
        forest = kind(
            n_estimators=0,
            max_depth=parameters["max_depth"],
            min_samples_leaf=parameters["min_samples_leaf"],
            random_state=parameters["seed"],
            n_jobs=parameters["n_jobs"],
            warm_start=True,
            bootstrap=True,
        )
        weights = class_weights(labels, parameters["class_balance"])
        for step in range(1, STEPS + 1):
            forest.n_estimators = round(total * step / STEPS)
            forest.oob_score = step == STEPS
            with warnings.catch_warnings():
                # A sample that every tree of a small forest has seen has no out-of-bag vote.
                warnings.filterwarnings("ignore", message="Some inputs do not have OOB")
                forest.fit(features, labels, sample_weight=weights)
            told(forest.n_estimators, total)
        return cls(forest)

    @property
    def scores(self) -> dict[str, float]:
        """The out-of-bag accuracy; neighbours in a stroke are alike, so it flatters."""
        return {"oob_accuracy": float(self._forest.oob_score_)}

    def probability(self, features: Array) -> Array:
        """See `Classifier.probability`."""
        return np.asarray(self._forest.predict_proba(features), np.float32)

    def save(self, path: Path) -> None:
        """See `Classifier.save`."""
        # One row per sample, needed by nobody.
        vars(self._forest).pop("oob_decision_function_", None)
        skops.io.dump(self._forest, path)

    @classmethod
    def load(cls, path: Path, n_features: int) -> Self:
        """See `Classifier.load`."""
        try:
            forest = skops.io.load(path, trusted=_TRUSTED)
        except (UntrustedTypesFoundException, zipfile.BadZipFile, KeyError) as error:
            raise ValueError(f"{path} is no forest of ours: {type(error).__name__}") from error
        asks = getattr(forest, "n_features_in_", None)
        if (
            not isinstance(forest, RandomForestClassifier | ExtraTreesClassifier)
            or asks != n_features
        ):
            raise ValueError(f"{path} holds no forest of {n_features} features")
        for tree in forest.estimators_:
            _check_nodes(tree.tree_, n_features, path)
        return cls(forest)


def _check_nodes(tree: Any, n_features: int, path: Path) -> None:
    nodes = np.arange(tree.node_count)
    inner = tree.children_left != _LEAF
    ordered = all(
        bool(np.all((children[inner] > nodes[inner]) & (children[inner] < tree.node_count)))
        for children in (tree.children_left, tree.children_right)
    )
    asked = tree.feature[inner]
    if not ordered or np.any(asked < 0) or np.any(asked >= n_features):
        raise ValueError(f"{path} holds a tree that points outside itself")
