"""The pixel classifiers as a package of algorithms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomobeam_segmentation.errors import JobError

if TYPE_CHECKING:
    from tomobeam_segmentation.algorithms import Model
    from tomobeam_segmentation.job import Job
    from tomobeam_segmentation.store import ModelCard


class PixelClassifiers:
    """See `Algorithms`."""

    program = "tomobeam-segment"
    distribution = "tomobeam-segmentation"
    names = ("random-forest", "gradient-boosting")
    registry = Path(__file__).with_name("registry.json")

    def check(self, parameters: dict[str, Any]) -> None:
        """See `Algorithms.check`."""
        if parameters["sigma_max"] < parameters["sigma_min"]:
            raise JobError(
                f"model_parameters.sigma_max: {parameters['sigma_max']:g} is below sigma_min,"
                f" {parameters['sigma_min']:g}"
            )

    def train(self, job: Job) -> None:
        """See `Algorithms.train`."""
        from tomobeam_segmentation.pixel_training import train

        train(job)

    def load(self, card: ModelCard, path: Path, parameters: dict[str, Any]) -> Model:  # noqa: ARG002
        """See `Algorithms.load`."""
        from tomobeam_segmentation.pixel_model import PixelModel

        return PixelModel.load(card, path)


PIXELS = PixelClassifiers()
