"""What a detector would record of a specimen: parallel beam, noise and the detector's faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.specimens import Specimen

SLAB = 16
OVERSAMPLING = 2
SATURATION = np.iinfo(np.uint16).max
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Acquisition:
    """How the scan is taken.

    Attributes:
        angles: projections over half a turn, both ends included.
        centre_offset: how far the rotation axis lies right of the detector's middle, pixels.
        photons: mean count of an open pixel.
        bad_columns: patches of detector columns whose gain drifts after the flat fields: rings.
        drift: standard deviation of the gain drift of every pixel: faint rings.
        blur: standard deviation of the scintillator's point spread, pixels, across columns.
        dark_level, read_noise: counts.
        frames: dark and flat frames at each end of the scan.
        pixel_size: micrometres.
    """

    angles: int = 181
    centre_offset: float = 2.25
    photons: float = 20000.0
    bad_columns: int = 6
    drift: float = 0.001
    blur: float = 0.4
    dark_level: float = 100.0
    read_noise: float = 3.0
    frames: int = 5
    pixel_size: float = 3.25
    seed: int = 1

    def check(self, size: int) -> None:
        """Refuse what no scan can be.

        Raises:
            InputFault: names the option.
        """
        least = {"angles": 8, "frames": 1, "photons": 10.0, "bad_columns": 0, "drift": 0.0}
        for name, minimum in {**least, "blur": 0.0, "read_noise": 0.0}.items():
            if getattr(self, name) < minimum:
                raise InputFault(f"{name}: {getattr(self, name)} is less than {minimum}")
        if self.photons + self.dark_level > 0.5 * SATURATION:
            raise InputFault(f"photons: {self.photons:g} would saturate a 16-bit detector")
        if abs(self.centre_offset) > size / 20:
            raise InputFault(
                f"centre_offset: {self.centre_offset:g} pixels move the specimen out of a field "
                f"of view of {size}"
            )


def forward_project(
    attenuation: Floats, angles: NDArray[np.float64], centre: float, oversampling: int = 1
) -> Floats:
    """Line integrals of a stack of slices along parallel rays (the Radon transform).

    Each slice is rotated by linear interpolation (OpenCV's warpAffine) and summed along the beam.
    At angle θ the voxel (y, x), counted from the middle of the slice, meets the detector at
    `centre + x cos θ − y sin θ`.

    Args:
        attenuation: float32 (z, n·o, n·o), per detector pixel, o the oversampling.
        angles: radians, (a,).
        centre: column of the rotation axis on the detector, pixels.
        oversampling: samples per detector pixel in y and x.

    Returns:
        float32 (a, z, n).
    """
    depth, fine, _ = attenuation.shape
    width, middle = fine // oversampling, (fine - 1) / 2
    axis = oversampling * (centre + 0.5) - 0.5
    out = np.empty((len(angles), depth, width), np.float32)
    for low in range(0, depth, 4):  # OpenCV takes up to four channels at once.
        part = np.ascontiguousarray(np.moveaxis(attenuation[low : low + 4], 0, -1))
        for k, (c, s) in enumerate(zip(np.cos(angles), np.sin(angles), strict=True)):
            matrix = np.array(
                [
                    [c, s, middle - c * axis - s * middle],
                    [-s, c, middle + s * axis - c * middle],
                ]
            )
            turned = cv2.warpAffine(
                part, matrix, (fine, fine), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            )
            rays = turned.reshape(fine, -1).sum(axis=0)
            rays = rays.reshape(width, oversampling, -1).mean(axis=1)
            out[k, low : low + 4] = rays.T / oversampling
    return out


class Detector:
    """A camera behind a scintillator in an uneven beam; its response is fixed by the seed."""

    def __init__(self, height: int, width: int, how: Acquisition) -> None:
        self._how = how
        rng = np.random.default_rng([how.seed, 101])
        z = np.linspace(-1, 1, height)[:, None]
        x = np.linspace(-1, 1, width)[None, :]
        profile = np.exp(-((z / 2.2) ** 2) - (x / 2.5) ** 2)
        bands = 1 + 0.04 * ndimage.gaussian_filter1d(rng.standard_normal(height), 2)[:, None]
        blobs = ndimage.gaussian_filter(rng.standard_normal((height, width)), 3)
        pixels = 1 + 0.02 * rng.standard_normal((height, width))
        self.open_beam = (how.photons * profile * bands * (1 + 0.1 * blobs) * pixels).clip(1)
        self.dark = how.dark_level + 2 * rng.standard_normal((height, width)).clip(-4, 4)
        self.drifted = self.open_beam * (1 + how.drift * rng.standard_normal((height, width)))
        for _ in range(how.bad_columns):
            column, wide = rng.integers(width // 10, width - width // 10), rng.integers(1, 3)
            tall = max(int(height * rng.uniform(0.3, 1)), 1)
            top = rng.integers(0, height - tall + 1)
            change = rng.choice([-1, 1]) * rng.uniform(0.03, 0.08)
            self.drifted[top : top + tall, column : column + wide] *= 1 + change

    def record(
        self, rng: np.random.Generator, expected: NDArray[np.float64], rows: slice
    ) -> NDArray[np.uint16]:
        """Counts of frames whose mean photon numbers are `expected`, (frames, rows, width)."""
        counts = rng.poisson(expected) + self.dark[rows]
        counts += self._how.read_noise * rng.standard_normal(expected.shape)
        return np.rint(counts).clip(0, SATURATION).astype(np.uint16)


@dataclass(frozen=True)
class Slab:
    """Recorded frames of rows `start` to `stop`: uint16 (frames, rows, width) each."""

    start: int
    stop: int
    darks: NDArray[np.uint16]
    flats: NDArray[np.uint16]
    projections: NDArray[np.uint16]


def rotation_angles(how: Acquisition) -> NDArray[np.float64]:
    """Stage angles of the projections, degrees, 0 to 180."""
    return np.linspace(0, 180, how.angles)


def true_centre(size: int, how: Acquisition) -> float:
    """Column of the rotation axis on the detector, pixels from the first column's middle."""
    return (size - 1) / 2 + how.centre_offset


def acquire(
    specimen: Specimen, how: Acquisition, progress: Callable[[int, int], None] | None = None
) -> Iterator[Slab]:
    """Scan a specimen, a few detector rows at a time.

    Raises:
        InputFault: a setting that no scan can have.
    """
    how.check(specimen.size)
    detector = Detector(specimen.height, specimen.size, how)
    angles = np.deg2rad(rotation_angles(how))
    centre = true_centre(specimen.size, how)
    for start in range(0, specimen.height, SLAB):
        stop = min(start + SLAB, specimen.height)
        rows, rng = slice(start, stop), np.random.default_rng([how.seed, 202, start])
        fine = specimen.labels(start, stop, OVERSAMPLING)
        depths = forward_project(specimen.attenuation(fine), angles, centre, OVERSAMPLING)
        transmission = ndimage.gaussian_filter1d(np.exp(-depths), how.blur, axis=2)
        ends = (2 * how.frames, stop - start, specimen.size)
        yield Slab(
            start,
            stop,
            detector.record(rng, np.zeros(ends), rows),
            detector.record(rng, np.broadcast_to(detector.open_beam[rows], ends), rows),
            detector.record(rng, transmission * detector.drifted[rows], rows),
        )
        if progress:
            progress(stop, specimen.height)
