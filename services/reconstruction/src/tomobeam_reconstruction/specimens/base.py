"""A specimen is a function from voxel positions to classes, so it has no resolution of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.uint8]
Floats = NDArray[np.float32]
# (labels, grid) -> None: draws something of the specimen into `labels`.
Paint = Callable[[Labels, "Grid"], None]


@dataclass(frozen=True)
class Material:
    """A class of the ground truth.

    `attenuation` is the linear attenuation coefficient times the width of the field of view, so
    that the transmission through a specimen does not depend on the detector's size.
    """

    name: str
    color: str
    attenuation: float


@dataclass(frozen=True)
class Grid:
    """Positions at which a slab of a specimen is sampled, in detector pixels.

    The origin of y and x is the rotation axis; z counts slices. `oversampling` divides each pixel
    in y and x. `z` is (n,), `y` and `x` are (size · oversampling,), all float32.
    """

    size: int
    start: int
    stop: int
    oversampling: int = 1

    @property
    def z(self) -> Floats:
        """Positions of the slab's slices."""
        return np.arange(self.start, self.stop, dtype=np.float32)

    @property
    def x(self) -> Floats:
        """Positions across the field of view, the same for y."""
        s = self.oversampling
        return ((np.arange(self.size * s) + 0.5) / s - self.size / 2).astype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (z, y, x) of what is sampled."""
        n = self.size * self.oversampling
        return self.stop - self.start, n, n

    def box(
        self, centre: Sequence[float], reach: Sequence[float]
    ) -> tuple[slice, slice, slice] | None:
        """The part of the grid within `reach` of `centre` (z, y, x), or None when it is empty."""
        s, half = self.oversampling, self.size / 2
        parts = []
        for axis, (c, r) in enumerate(zip(centre, reach, strict=True)):
            if axis == 0:
                low, high, n = c - r - self.start, c + r - self.start, self.stop - self.start
            else:
                low, high, n = (c - r + half) * s, (c + r + half) * s, self.size * s
            first, last = max(int(np.floor(low)), 0), min(int(np.ceil(high)) + 1, n)
            if first >= last:
                return None
            parts.append(slice(first, last))
        return parts[0], parts[1], parts[2]


@dataclass(frozen=True)
class Specimen:
    """A specimen with exact ground truth; `materials[k]` is class k, class 0 is air."""

    kind: str
    size: int
    height: int
    seed: int
    materials: tuple[Material, ...]
    layers: tuple[Paint, ...]

    def labels(self, start: int = 0, stop: int | None = None, oversampling: int = 1) -> Labels:
        """Classes of slices `start` to `stop`, uint8 (z, y, x), sampled at voxel centres."""
        grid = Grid(self.size, start, self.height if stop is None else stop, oversampling)
        labels = np.zeros(grid.shape, np.uint8)
        for paint in self.layers:
            paint(labels, grid)
        return labels

    def attenuation(self, labels: Labels) -> Floats:
        """Linear attenuation per detector pixel of every class in `labels`, float32."""
        table = np.array([m.attenuation for m in self.materials], np.float32) / self.size
        return np.asarray(table[labels], np.float32)


def ellipsoids(
    value: int, centres: NDArray[np.float64], radii: NDArray[np.float64], only: int | None = None
) -> Paint:
    """Draw axis-aligned ellipsoids: `centres` and `radii` are (n, 3) in (z, y, x) pixels.

    With `only`, nothing but voxels of that class is painted over.
    """

    def paint(labels: Labels, grid: Grid) -> None:
        for centre, radius in zip(centres, radii, strict=True):
            box = grid.box(centre, radius)
            if box is None:
                continue
            dz, dy, dx = (
                ((axis[part] - c) / r) ** 2
                for axis, part, c, r in zip(
                    (grid.z, grid.x, grid.x), box, centre, radius, strict=True
                )
            )
            inside = dz[:, None, None] + dy[None, :, None] + dx[None, None, :] <= 1
            if only is not None:
                inside &= labels[box] == only
            labels[box][inside] = value

    return paint


def pack_spheres(
    rng: np.random.Generator,
    radii: Sequence[float],
    reach: float,
    height: int,
    *,
    attempts: int = 60,
    taken: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Random sequential addition of spheres to a cylinder of radius `reach` along z.

    Spheres are tried from the largest to the smallest, each at `attempts` random places, and left
    out where none is free. `taken` are centres and radii to keep clear of. Returns centres (n, 3)
    in (z, y, x) and radii (n,). The method is that of Widom, J. Chem. Phys. 44 (1966) 3888.
    """
    base, base_radii = taken or (np.empty((0, 3)), np.empty(0))
    centres, kept = [*base], [*base_radii]
    for radius in sorted(radii, reverse=True):
        room = reach - radius
        if room <= 0:
            continue
        for _ in range(attempts):
            rho, phi = room * np.sqrt(rng.random()), 2 * np.pi * rng.random()
            z = rng.uniform(-radius / 2, height + radius / 2)
            place = np.array([z, rho * np.sin(phi), rho * np.cos(phi)])
            gaps = np.linalg.norm(np.array(centres).reshape(-1, 3) - place, axis=1)
            if np.all(gaps > np.array(kept) + radius):
                centres.append(place)
                kept.append(radius)
                break
    new = slice(len(base), None)
    return np.array(centres).reshape(-1, 3)[new], np.array(kept)[new]


class SmoothNoise:
    """A Gaussian random field of zero mean and unit variance with a set correlation length."""

    def __init__(
        self, rng: np.random.Generator, size: int, height: int, length: float, stretch: float = 1.0
    ) -> None:
        """`length` in pixels; `stretch` lengthens the correlation along z."""
        self._step = max(length / 2.5, 1.0)
        cells = int(np.ceil(size / self._step)) + 1
        levels = int(np.ceil(height / (self._step * stretch))) + 2
        self._z_step = self._step * stretch
        field = ndimage.gaussian_filter(
            rng.standard_normal((levels, cells, cells)), 1.2, mode="wrap"
        )
        self._field = ((field - field.mean()) / field.std()).astype(np.float32)

    def at(self, grid: Grid) -> Floats:
        """The field at the grid's positions, float32 (z, y, x)."""
        out = np.empty(grid.shape, np.float32)
        for k, z in enumerate(grid.z / self._z_step):
            below = int(np.floor(z))
            part = np.float32(z - below)
            plane = self._field[below] * (1 - part) + self._field[below + 1] * part
            out[k] = cv2.resize(plane, grid.shape[:0:-1], interpolation=cv2.INTER_CUBIC)
        return out
