"""Specimens whose every voxel is known, in three kinds that beamlines see."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.specimens.base import Material, Specimen
from tomobeam_reconstruction.specimens.beads import packed_beads
from tomobeam_reconstruction.specimens.fibres import fibre_composite
from tomobeam_reconstruction.specimens.rock import porous_rock


class Kind(StrEnum):
    """The specimens that there are."""

    BEADS = "beads"
    FIBRES = "fibres"
    ROCK = "rock"


_MAKERS: dict[str, Callable[[int, int, int], Specimen]] = {
    Kind.BEADS: packed_beads,
    Kind.FIBRES: fibre_composite,
    Kind.ROCK: porous_rock,
}
MINIMUM_SIZE = 32

__all__ = ["Kind", "Material", "Specimen", "make_specimen"]


def make_specimen(kind: str, size: int = 192, height: int = 128, seed: int = 1) -> Specimen:
    """A specimen in a field of view of `height` × `size` × `size` voxels (z, y, x).

    The same arguments give the same specimen.

    Raises:
        InputFault: an unknown kind or a size that leaves no room for anything.
    """
    if kind not in _MAKERS:
        raise InputFault(f"kind: there is no specimen {kind!r}; there are {', '.join(_MAKERS)}")
    if size < MINIMUM_SIZE:
        raise InputFault(f"size: {size} pixels are too few; at least {MINIMUM_SIZE}")
    if height < 1:
        raise InputFault(f"height: {height} slices; at least 1")
    return _MAKERS[kind](size, height, seed)
