"""What a user chooses; importing it is quick, unlike the libraries that do the work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Layout(StrEnum):
    """Whose folders and file names to use."""

    SAVU = "savu"
    HTTOMO = "httomo"


class Rings(StrEnum):
    """Ways to remove the stripes of a sinogram that become rings.

    All are of Vo, Atwood and Drakopoulos, Superior techniques for eliminating ring artifacts in
    X-ray micro-tomography, Optics Express 26 (2018) 28396, https://doi.org/10.1364/OE.26.028396,
    as algotom has them: algorithm 3, algorithm 2 with 3, and 6, 5, 4 and 3 one after the other.
    The wider a stripe a method can take out, the more of the slice's middle it takes along.
    """

    NONE = "none"
    SORTING = "sorting"
    FILTERING = "filtering"
    ALL = "all"


class Smoothing(StrEnum):
    """Windows that lower the ramp filter's gain at high frequencies, and so noise and detail."""

    NONE = "none"
    HANN = "hann"
    HAMMING = "hamming"
    BLACKMAN = "blackman"
    PARZEN = "parzen"


@dataclass(frozen=True)
class Options:
    """How to reconstruct.

    Attributes:
        layout: whose folders and names. name: of the scan; by default the file's.
        centre: column of the rotation axis, pixels; None: find it.
        rings: how to remove rings. smoothing: of the ramp filter.
        memory_mib: bound of the arrays in memory. workers: threads; None: one per processor.
    """

    layout: Layout = Layout.SAVU
    name: str | None = None
    centre: float | None = None
    rings: Rings = Rings.FILTERING
    smoothing: Smoothing = Smoothing.NONE
    memory_mib: int = 1024
    workers: int | None = None
