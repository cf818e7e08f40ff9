"""Glass fibres in epoxy, with voids along them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomobeam_reconstruction.specimens.base import (
    Grid,
    Labels,
    Material,
    Paint,
    Specimen,
    ellipsoids,
    pack_spheres,
)

AIR, EPOXY, FIBRE = range(3)
MATERIALS = (
    Material("air", "#4c6ef5", 0.0),
    Material("epoxy", "#fab005", 1.0),
    Material("glass fibre", "#e03131", 2.4),
)
HALF_SIDE = 0.31
TILT = np.deg2rad(6)


def fibre_composite(size: int, height: int, seed: int) -> Specimen:
    """A square bar of epoxy with fibres a few degrees off its axis and elongated voids."""
    rng = np.random.default_rng([b"fibres"[0], seed])
    side = HALF_SIDE * size
    # Places in the middle slice: discs that do not overlap there are spheres in a flat cylinder.
    wanted = list(rng.uniform(0.022, 0.034, 150) * size)
    places, radii = pack_spheres(rng, wanted, side * 1.3, 0)
    slopes = np.tan(rng.normal(0, TILT, (len(places), 2)))
    few = max(round(0.12 * height), 4)
    centres = np.column_stack(
        [rng.uniform(0, height, few), rng.uniform(-side, side, (few, 2)) * 0.85]
    )
    long = rng.uniform(0.05, 0.12, few) * size
    thick = rng.uniform(0.018, 0.035, few) * size
    voids = np.column_stack([long, thick, thick * rng.uniform(0.7, 1.3, few)])

    def bar(labels: Labels, grid: Grid) -> None:
        inside = np.abs(grid.x) <= side
        labels[:, inside[:, None] & inside[None, :]] = EPOXY

    layers = (
        bar,
        _fibres(places, slopes, radii, height / 2),
        ellipsoids(AIR, centres, voids, only=EPOXY),
    )
    return Specimen("fibres", size, height, seed, MATERIALS, layers)


def _fibres(
    places: NDArray[np.float64],
    slopes: NDArray[np.float64],
    radii: NDArray[np.float64],
    middle: float,
) -> Paint:
    def paint(labels: Labels, grid: Grid) -> None:
        for k, z in enumerate(grid.z):
            for (_, y0, x0), slope, radius in zip(places, slopes, radii, strict=True):
                y, x = np.array([y0, x0]) + slope * (z - middle)
                box = grid.box((z, y, x), (0, radius, radius))
                if box is None:
                    continue
                _, rows, columns = box
                inside = (grid.x[rows, None] - y) ** 2 + (grid.x[None, columns] - x) ** 2
                part = labels[k, rows, columns]
                part[(inside <= radius**2) & (part == EPOXY)] = FIBRE

    return paint
