"""Models on the shared store: `<models_dir>/<uid>/model.json` beside the model's own file."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import Field, ValidationError

from tomobeam_contracts.tree import MaskClass
from tomobeam_contracts.wire import Wire, explain
from tomobeam_segmentation.algorithms import Algorithms, Model
from tomobeam_segmentation.errors import JobError, JobFailed
from tomobeam_segmentation.intensity import IntensityRange

MODEL_CARD = "model.json"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"


class ModelCard(Wire):
    """What a model is and where it comes from: all that inference needs beside its file."""

    uid: str
    algorithm: str
    code_version: str
    data_uri: str
    mask_uri: str
    job_name: str
    parameters: dict[str, Any]
    intensity: IntensityRange
    labels: list[int] = Field(min_length=2, description="mask values told apart, ascending")
    classes: list[MaskClass] | None = Field(
        default=None, description="all classes of the mask, by value"
    )
    class_count: int = Field(gt=0, description="planes of a probability")
    scores: dict[str, float]
    file: str = Field(pattern=_NAME)
    sha256: str


def model_folder(models_dir: Path, uid: str, field: str) -> Path:
    """The folder of the model or run `uid`.

    Raises:
        JobError: `uid` is no plain name; names `field`.
    """
    if not re.fullmatch(_NAME, uid):
        raise JobError(
            f"io_parameters.{field}: {uid!r} is no name; letters, digits, '.', '_', '-' are"
        )
    return models_dir / uid


class Kept(Protocol):
    """What can be kept in a file."""

    file_name: ClassVar[str]
    """in its model's folder"""

    def save(self, path: Path) -> None:
        """Write it to `path`.

        Raises:
            OSError: the disk refused.
        """
        ...


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, whose file replaces `path` at the end.

    A reader sees the old file or the new, also after a power cut.

    Raises:
        JobFailed: the disk refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-") as partial:
            fresh = Path(partial, path.name)
            yield fresh
            with fresh.open("rb+") as file:
                os.fsync(file.fileno())
            fresh.replace(path)
    except OSError as error:
        raise JobFailed(f"models_dir: cannot write {path}: {error.strerror}") from error


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace `path` as `replacing` does; a text is kept as UTF-8.

    Raises:
        JobFailed: the disk refused.
    """
    with replacing(path) as fresh:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)


def save_model(folder: Path, model: Kept, card: dict[str, Any]) -> ModelCard:
    """Keep `model` in `folder`; the card is written last, and without it there is no model.

    Raises:
        JobFailed: the disk refused.
    """
    path = folder / model.file_name
    with replacing(path) as fresh:
        (folder / MODEL_CARD).unlink(missing_ok=True)
        model.save(fresh)
    complete = ModelCard(**card, file=path.name, sha256=_sha256(path))
    write_atomically(folder / MODEL_CARD, complete.model_dump_json(indent=2, exclude_none=True))
    return complete


def load_model(
    folder: Path, algorithms: Algorithms, algorithm: str, parameters: dict[str, Any]
) -> tuple[ModelCard, Model]:
    """The model in `folder`, and its card; `parameters` say how this run uses it.

    Raises:
        JobError: there is none, it is damaged, or it is another algorithm's.
    """
    where = f"io_parameters.uid_retrieve: model {folder.name}"
    try:
        card = ModelCard.receive_json((folder / MODEL_CARD).read_bytes())
    except FileNotFoundError as error:
        raise JobError(f"{where}: there is none in {folder.parent}; train it first") from error
    except OSError as error:
        raise JobError(f"{where}: cannot read {folder}: {error.strerror}") from error
    except ValidationError as error:
        raise JobError(explain(error, where)) from error
    if card.algorithm != algorithm:
        raise JobError(f"{where} was trained by {card.algorithm}, not by {algorithm}")
    path = folder / card.file
    try:
        if _sha256(path) != card.sha256:
            raise JobError(f"{where}: {path.name} is not the file that its {MODEL_CARD} names")
        return card, algorithms.load(card, path, parameters)
    except JobError:
        raise
    except OSError as error:
        raise JobError(f"{where}: cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise JobError(f"{where}: {error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
