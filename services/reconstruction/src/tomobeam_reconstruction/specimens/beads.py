"""Glass beads in resin, with air bubbles."""

from __future__ import annotations

import numpy as np

from tomobeam_reconstruction.specimens.base import (
    Grid,
    Labels,
    Material,
    Specimen,
    ellipsoids,
    pack_spheres,
)

AIR, RESIN, GLASS = range(3)
MATERIALS = (
    Material("air", "#4c6ef5", 0.0),
    Material("resin", "#fab005", 0.9),
    Material("glass bead", "#e03131", 2.2),
)
RADIUS = 0.43


def packed_beads(size: int, height: int, seed: int) -> Specimen:
    """A rod of resin filled with beads of several sizes and a few bubbles."""
    rng = np.random.default_rng([b"beads"[0], seed])
    reach = RADIUS * size
    volume = np.pi * reach**2 * height
    radii = rng.uniform(0.045, 0.105, 4000) * size
    wanted = int(np.searchsorted(np.cumsum(4 / 3 * np.pi * radii**3), 0.5 * volume)) + 3
    centres, kept = pack_spheres(rng, list(radii[:wanted]), reach * 0.97, height)
    few = max(wanted // 4, 3)
    bubbles, bubble_radii = pack_spheres(
        rng,
        list(rng.uniform(0.025, 0.05, few) * size),
        reach * 0.95,
        height,
        taken=(centres, kept),
    )

    def rod(labels: Labels, grid: Grid) -> None:
        labels[:, grid.x[:, None] ** 2 + grid.x[None, :] ** 2 <= reach**2] = RESIN

    layers = (
        rod,
        ellipsoids(GLASS, centres, np.repeat(kept[:, None], 3, axis=1)),
        ellipsoids(AIR, bubbles, np.repeat(bubble_radii[:, None], 3, axis=1), only=RESIN),
    )
    return Specimen("beads", size, height, seed, MATERIALS, layers)
