"""A sandstone-like rock: grains, pores, cracks and a dense mineral."""

from __future__ import annotations

import numpy as np

from tomobeam_reconstruction.specimens.base import (
    Grid,
    Labels,
    Material,
    Paint,
    SmoothNoise,
    Specimen,
    ellipsoids,
    pack_spheres,
)

AIR, GRAIN, MINERAL = range(3)
MATERIALS = (
    Material("pore and crack", "#4c6ef5", 0.0),
    Material("grain", "#fab005", 1.3),
    Material("dense mineral", "#e03131", 3.2),
)
RADIUS = 0.42
CRACKS = 3
PORE_LEVEL = 1.15


def porous_rock(size: int, height: int, seed: int) -> Specimen:
    """A drill core with a rough rim, a pore network, mineral grains and cracks through all."""
    rng = np.random.default_rng([b"rock"[0], seed])
    reach = RADIUS * size
    rim = SmoothNoise(rng, size, height, 0.1 * size)
    pores = SmoothNoise(rng, size, height, 0.055 * size)
    wanted = max(round(1.3 * height * 64 / size), 8)
    centres, radii = pack_spheres(
        rng, list(rng.uniform(0.04, 0.09, wanted) * size), reach * 0.95, height
    )
    shapes = radii[:, None] * rng.uniform(0.6, 1.2, (len(radii), 3))

    def core(labels: Labels, grid: Grid) -> None:
        distance = np.hypot(grid.x[:, None], grid.x[None, :])
        labels[distance + 0.012 * size * rim.at(grid) <= reach] = GRAIN

    def pore_network(labels: Labels, grid: Grid) -> None:
        labels[pores.at(grid) > PORE_LEVEL] = AIR

    cracks = tuple(_crack(rng, size, height, reach) for _ in range(CRACKS))
    layers = (core, ellipsoids(MINERAL, centres, shapes, only=GRAIN), pore_network, *cracks)
    return Specimen("rock", size, height, seed, MATERIALS, layers)


def _crack(rng: np.random.Generator, size: int, height: int, reach: float) -> Paint:
    """A wavy sheet of air whose opening varies and closes in places."""
    angle = rng.uniform(0, np.pi)
    normal = np.array([rng.normal(0, 0.25), np.sin(angle), np.cos(angle)])
    normal /= np.linalg.norm(normal)
    offset = rng.uniform(-0.6, 0.6) * reach
    wave = SmoothNoise(rng, size, height, 0.18 * size)
    opening = SmoothNoise(rng, size, height, 0.2 * size)

    def paint(labels: Labels, grid: Grid) -> None:
        z = (grid.z - height / 2)[:, None, None] * normal[0]
        y = grid.x[None, :, None] * normal[1]
        x = grid.x[None, None, :] * normal[2]
        distance = z + y + x - offset + 0.03 * size * wave.at(grid)
        half = 0.009 * size * (1 + 0.6 * opening.at(grid))
        labels[np.abs(distance) <= half] = AIR

    return paint
