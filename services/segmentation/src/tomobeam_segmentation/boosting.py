"""Gradient-boosted trees (Chen and Guestrin, KDD 2016, doi:10.1145/2939672.2939785), XGBoost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import xgboost as xgb
from xgboost.callback import TrainingCallback

from tomobeam_segmentation.classifiers import Array, Told, class_weights

STEPS = 10


class _Tell(TrainingCallback):
    def __init__(self, total: int, told: Told) -> None:
        self._total, self._told = total, told

    def after_iteration(self, _model: Any, epoch: int, _evals_log: Any) -> bool:
        done = epoch + 1
        if done % max(1, self._total // STEPS) == 0 or done == self._total:
            self._told(done, self._total)
        return False


class Boosting:
    """Gradient-boosted trees."""

    file_name: ClassVar[str] = "boosting.ubj"

    def __init__(self, booster: xgb.Booster, log_loss: float | None = None) -> None:
        self._booster = booster
        self._log_loss = log_loss
        # Slices are spread over threads already.
        self._booster.set_param({"nthread": 1})

    @classmethod
    def fit(cls, features: Array, labels: Array, parameters: dict[str, Any], told: Told) -> Self:
        """See `Classifier.fit`."""
        weights = class_weights(labels, parameters["class_balance"])
        threads = parameters["n_jobs"]
        samples = xgb.DMatrix(features, labels, weight=weights, nthread=threads)
        settings = {
            "objective": "multi:softprob",
            "num_class": int(labels.max()) + 1,
            # Strokes are few and lie inside the classes, never at their borders: there it matters
            # that the exact method cuts midway between the samples, where the histogram's cuts
            # at one of them, and that each tree sees other samples and features.
            "tree_method": "exact",
            "subsample": 0.5,
            "colsample_bylevel": 0.2,
            "max_depth": parameters["max_depth"],
            "eta": parameters["learning_rate"],
            "seed": parameters["seed"],
            "nthread": threads,
            "verbosity": 0,
        }
        rounds = parameters["n_estimators"]
        history: dict[str, Any] = {}
        booster = xgb.train(
            settings,
            samples,
            rounds,
            evals=[(samples, "train")],
            evals_result=history,
            verbose_eval=False,
            callbacks=[_Tell(rounds, told)],
        )
        return cls(booster, history["train"]["mlogloss"][-1])

    @property
    def scores(self) -> dict[str, float]:
        """The last round's loss on the samples that it learned from."""
        return {} if self._log_loss is None else {"train_log_loss": float(self._log_loss)}

    def probability(self, features: Array) -> Array:
        """See `Classifier.probability`."""
        return np.asarray(self._booster.inplace_predict(features), np.float32)

    def save(self, path: Path) -> None:
        """See `Classifier.save`."""
        self._booster.save_model(path)

    @classmethod
    def load(cls, path: Path, n_features: int) -> Self:
        """See `Classifier.load`."""
        try:
            booster = xgb.Booster(model_file=path)
        except (xgb.core.XGBoostError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no XGBoost model") from error
        if booster.num_features() != n_features:
            raise ValueError(f"{path} holds no model of {n_features} features")
        return cls(booster)
