"""Our filtered back-projection against scikit-image's, on the same sinograms."""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from skimage.transform import iradon

from tomobeam_reconstruction.acquire import forward_project
from tomobeam_reconstruction.backprojection import BackProjector
from tomobeam_reconstruction.specimens import make_specimen

REPEATS = 3
Image = NDArray[np.floating]


def compare(size: int, angles: int) -> None:
    """Print the ratio of the times of one slice, and how far the images are apart."""
    specimen = make_specimen("beads", size, 1)
    attenuation = specimen.attenuation(specimen.labels())
    degrees = np.linspace(0, 180, angles, endpoint=False)
    # An odd size, for which both libraries turn about the same point.
    centre = size // 2
    sinogram = forward_project(attenuation, np.deg2rad(degrees), centre)[:, 0]
    project = BackProjector(np.deg2rad(degrees), centre, size)
    ours, our_s = timed(lambda: project(sinogram))
    theirs, their_s = timed(lambda: iradon(sinogram.T, degrees, filter_name="ramp", circle=True))
    y, x = np.mgrid[:size, :size] - centre
    inside = np.hypot(y, x) < 0.45 * size
    for name, image in (("ours", ours), ("scikit-image", theirs)):
        error = np.sqrt(np.mean((image[inside] - attenuation[0][inside]) ** 2))
        say(f"{name}: error to the truth {error / attenuation.max():.2%} of the range")
    apart = np.sqrt(np.mean((ours[inside] - theirs[inside]) ** 2)) / attenuation.max()
    say(f"difference between the two: {apart:.2%} of the range")
    what = f"a slice of {size} x {size} from {angles} projections, scikit-image / ours"
    say(f"bench: {what}: {their_s:.3f} s / {our_s:.3f} s = {their_s / our_s:.1f}")


def timed(work: Callable[[], Image]) -> tuple[Image, float]:
    """What `work` returns, and the median of its times in seconds, after a first one."""
    result, times = work(), []
    for _ in range(REPEATS):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return result, median(times)


def say(line: str) -> None:
    """Print a line now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Compare at the demo's size and at a detector's."""
    compare(193, 181)
    compare(769, 601)


if __name__ == "__main__":
    main()
