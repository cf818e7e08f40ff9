"""DLSIA's networks as a package of algorithms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomobeam_segmentation.errors import JobError

if TYPE_CHECKING:
    from tomobeam_segmentation.algorithms import Model
    from tomobeam_segmentation.job import Job
    from tomobeam_segmentation.store import ModelCard


class Networks:
    """See `tomobeam_segmentation.algorithms.Algorithms`."""

    program = "tomobeam-dlsia"
    distribution = "tomobeam-dlsia"
    names = ("dlsia-msdnet", "dlsia-tunet")
    registry = Path(__file__).with_name("registry.json")

    def check(self, parameters: dict[str, Any]) -> None:
        """See `Algorithms.check`."""
        step, crop = 2 ** (parameters.get("depth", 1) - 1), parameters["crop_size"]
        if crop < 2 * step:
            raise JobError(
                f"model_parameters.depth: {parameters['depth']} halves a crop of {crop} pixels too"
                f" often; choose a crop_size of {2 * step} at least, or fewer levels"
            )

    def train(self, job: Job) -> None:
        """See `Algorithms.train`."""
        from tomobeam_dlsia.training import train

        train(job)

    def load(self, card: ModelCard, path: Path, parameters: dict[str, Any]) -> Model:
        """See `Algorithms.load`."""
        from tomobeam_dlsia.model import NetworkModel

        return NetworkModel.load(card, path, parameters)


NETWORKS = Networks()
