"""What a stack is, in whichever form it lies on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from tomobeam_common.tiled import array_structure
from tomobeam_ingester.outcome import Reason, Refused

Chunks = tuple[tuple[int, ...], ...]


class Form(Enum):
    """How the slices lie, and the name by which Tiled 0.2.20 knows it."""

    TIFF_SEQUENCE = "multipart/related;type=image/tiff"
    TIFF_FILE = "image/tiff"
    HDF5 = "application/x-hdf5"
    ZARR = "application/x-zarr"

    @property
    def mimetype(self) -> str:
        """Tiled's name."""
        return self.value


@dataclass(frozen=True)
class Candidate:
    """A stack that may be registered. `path` is its identity."""

    path: Path
    form: Form
    scan_folder: str
    process_file: Path | None = None


@dataclass(frozen=True)
class Survey:
    """A cheap look at a stack: equal `signature` means unchanged."""

    signature: tuple[Any, ...]
    count: int | None
    newest: float


@dataclass(frozen=True)
class Stack:
    """A stack that was looked at in full: 3-D (z, y, x)."""

    form: Form
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    chunks: Chunks
    files: list[Path]
    parameters: dict[str, Any] = field(default_factory=dict)

    def data_source(self) -> dict[str, Any]:
        """Tiled's description of the external files; nothing is copied.

        Raises:
            Refused: Tiled could not name a file.
        """
        numbered = self.form in (Form.TIFF_SEQUENCE, Form.HDF5)
        assets = [
            {
                "data_uri": _uri(path),
                "is_directory": self.form is Form.ZARR,
                "parameter": "data_uris" if numbered else "data_uri",
                "num": number if numbered else None,
            }
            for number, path in enumerate(self.files)
        ]
        return {
            "structure_family": "array",
            "structure": array_structure(self.shape, self.dtype, self.chunks),
            "mimetype": self.form.mimetype,
            "parameters": self.parameters,
            "assets": assets,
            "management": "external",
        }


def _uri(path: Path) -> str:
    """Tiled 0.2.20 takes the path out of a URI as it stands: it knows no percent-encoding."""
    name = str(path)
    if any(mark in name for mark in "?#\t\r\n") or not name.isprintable():
        raise Refused(Reason.UNSUPPORTED, f"Tiled cannot read a file whose path is {name!r}")
    return f"file://localhost{name}"


def per_slice(shape: tuple[int, int, int]) -> Chunks:
    """One chunk a slice."""
    return ((1,) * shape[0], (shape[1],), (shape[2],))


def along(size: int, chunk: int) -> tuple[int, ...]:
    """The chunk sizes along an axis of `size`, the last one shorter."""
    whole, rest = divmod(size, chunk)
    return (chunk,) * whole + ((rest,) if rest else ())


def check_dtype(dtype: Any, where: Path) -> np.dtype[Any]:
    """A real number type that Tiled and its readers share.

    Raises:
        Refused: complex, text, object or structured.
    """
    kind = np.dtype(dtype)
    if kind.kind not in "iufb":
        raise Refused(Reason.UNSUPPORTED, f"{where} holds {kind}, not real numbers")
    return kind
