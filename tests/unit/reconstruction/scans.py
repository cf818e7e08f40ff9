"""A scan and what it is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tomobeam_reconstruction.truth import Truth


@dataclass(frozen=True)
class Scan:
    projections: Path
    truth: Truth
