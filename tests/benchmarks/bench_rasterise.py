"""40 freeform shapes of 600 points on 2160 × 2560: rasterio's way against scikit-image's."""

from __future__ import annotations

import time

import numpy as np
from skimage.draw import polygon

from tomobeam_webapp.annotate.model import LATTICE, Item
from tomobeam_webapp.annotate.rasterise import rasterise

SHAPE = (2160, 2560)
SHAPES, POINTS = 40, 600
LIMIT_S = 0.3


def drawn_shapes() -> list[Item]:
    """Wobbly outlines of 200 to 500 pixels across, as a hand draws them, some over the edge."""
    random = np.random.default_rng(1)
    items = []
    for number in range(SHAPES):
        angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
        wobble = np.cumsum(random.normal(0, 1.0, POINTS))
        wobble -= np.linspace(wobble[0], wobble[-1], POINTS)
        radius = random.uniform(100, 250) + wobble
        x = random.uniform(0, SHAPE[1]) + radius * np.cos(angle)
        y = random.uniform(0, SHAPE[0]) + radius * np.sin(angle)
        points = np.rint(np.stack([x, y], 1) * LATTICE).astype(int).ravel().tolist()
        items.append(Item(id=str(number), z=0, seq=number, kind="freeform", cls="a", points=points))
    return items


def with_scikit_image(items: list[Item]) -> np.ndarray:
    """The same labels by the reference."""
    labels = np.full(SHAPE, -1, np.int8)
    for item in items:
        xy = np.array(item.points).reshape(-1, 2) / LATTICE
        labels[polygon(xy[:, 1], xy[:, 0], SHAPE)] = 0
    return labels


def main() -> None:
    items = drawn_shapes()
    rasterise(items[:1], {"a": 0}, SHAPE)  # The first call opens GDAL.
    times = []
    for _ in range(5):
        start = time.perf_counter()
        ours = rasterise(items, {"a": 0}, SHAPE)
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    reference = with_scikit_image(items)
    theirs = time.perf_counter() - start
    different = int((ours != reference).sum())
    best = min(times)
    print(f"bench: rasterise, scikit-image / ours: {theirs:.2f} s / {best:.3f} s"
          f" = {theirs / best:.0f}")  # fmt: skip
    print(f"bench: rasterise, limit / ours: {LIMIT_S} s / {best:.3f} s = {LIMIT_S / best:.1f}")
    if different:
        raise SystemExit(f"{different} pixels differ from scikit-image")
    if best > LIMIT_S:
        raise SystemExit(f"40 shapes took {best:.2f} s; {LIMIT_S} s are promised")


if __name__ == "__main__":
    main()
