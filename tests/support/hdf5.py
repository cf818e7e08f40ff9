"""HDF5 files whose content a test knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py


def opened(path: Path, mode: str = "r") -> Any:
    """A file; what is at a path in it, h5py's types leave open."""
    return h5py.File(path, mode)
