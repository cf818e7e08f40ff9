"""What a package of algorithms brings, beside what all jobs share: a registry, a training, models.

Importing this module, or an `Algorithms`, imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tomobeam_segmentation.classifiers import Array
    from tomobeam_segmentation.features import Plane
    from tomobeam_segmentation.job import Job
    from tomobeam_segmentation.store import ModelCard


class Model(Protocol):
    """What segments a slice."""

    def probability(self, plane: Plane) -> Iterator[tuple[slice, Array]]:
        """The probability of each class in `plane`, float32 (H, W) on the model's intensity range.

        Yields bands from top to bottom, so that memory does not grow with the slice: the band's
        rows, and float32 (classes, rows, W). Safe to call from several threads.
        """
        ...


class Algorithms(Protocol):
    """A package of algorithms."""

    @property
    def program(self) -> str:
        """The command that the registry names."""
        ...

    @property
    def distribution(self) -> str:
        """The installed package, whose version is the code's."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The algorithms, by the registry's `model_name`."""
        ...

    @property
    def registry(self) -> Path:
        """The package's registry file: the one list of its algorithms and parameters."""
        ...

    def check(self, parameters: dict[str, Any]) -> None:
        """Check what the form cannot say.

        Raises:
            JobError: parameters that do not go together; names one.
        """
        ...

    def train(self, job: Job) -> None:
        """Train the job's algorithm and keep the model under `uid_save`.

        Raises:
            JobError: image, mask or a parameter is wrong; names it.
            JobFailed: Tiled or the disk failed the job.
        """
        ...

    def load(self, card: ModelCard, path: Path, parameters: dict[str, Any]) -> Model:
        """The model that is kept in `path`; nothing in the file is executed.

        `parameters` are those of this run, which say how to use it.

        Raises:
            JobError: a parameter asks for what this machine lacks.
            ValueError: it is no such file.
        """
        ...
