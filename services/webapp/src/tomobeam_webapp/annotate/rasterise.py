"""Which pixels shapes and strokes cover, exactly as the browser shows them.

Freeform shapes follow `skimage.draw.polygon`: a pixel belongs to one when a ray from its centre
to the right, or one to the left, crosses the outline an odd number of times, or a vertex lies on
it (O'Rourke, Computational Geometry in C, 1998, section 7.4). GDAL, through rasterio, fills the
inside two orders faster and differs only on the outline; on our lattice (see `model`) the pixels
whose centres lie on it are found exactly and decided by the rule itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.features import rasterize

from tomobeam_contracts.tree import UNLABELLED
from tomobeam_webapp.annotate.model import LATTICE, Item

OUTLINE_BLOCK = 512

Labels = NDArray[np.int8]
Bits = NDArray[np.bool_]
Window = tuple[int, int, int, int]
"""First row, end row, first column, end column."""


def rasterise(items: Iterable[Item], values: dict[str, int], shape: tuple[int, int]) -> Labels:
    """Paint the items of one slice in their order.

    Args:
        items: all of one slice, in any order.
        values: the value in the mask of each class id.
        shape: height and width of the slice.

    Returns:
        int8 (height, width); `UNLABELLED` where nothing was painted or it was erased.
    """
    labels = np.full(shape, UNLABELLED, np.int8)
    for item in sorted(items, key=lambda i: (i.seq, i.id)):
        value = UNLABELLED if item.cls is None else values[item.cls]
        for (r0, r1, c0, c1), bits in _COVER[item.kind](item, shape):
            labels[r0:r1, c0:c1][bits] = value
    return labels


def _window(low: NDArray[Any], high: NDArray[Any], shape: tuple[int, int]) -> Window | None:
    """The pixels whose centres lie between two lattice points (x, y), cut to the image."""
    c0, r0 = (max(0, -(-int(v) // LATTICE)) for v in low)
    c1, r1 = (min(size, int(v) // LATTICE + 1) for v, size in zip(high, shape[::-1], strict=True))
    return (r0, r1, c0, c1) if r0 < r1 and c0 < c1 else None


def _freeform(item: Item, shape: tuple[int, int]) -> list[tuple[Window, Bits]]:
    points = np.array(item.points, np.int64).reshape(-1, 2)
    window = _window(points.min(0), points.max(0), shape)
    if window is None:
        return []
    r0, r1, c0, c1 = window
    bits = np.zeros((r1 - r0, c1 - c0), bool)
    if len(points) > 2:
        ring = np.vstack([points, points[:1]]) / LATTICE
        rasterize(
            [{"type": "Polygon", "coordinates": [ring.tolist()]}],
            out=bits.view(np.uint8),
            transform=Affine.translation(c0 - 0.5, r0 - 0.5),
        )
    rows, columns = outline_pixels(points)
    seen = (rows >= r0) & (rows < r1) & (columns >= c0) & (columns < c1)
    rows, columns = rows[seen], columns[seen]
    bits[rows - r0, columns - c0] = _belongs(points, rows, columns)
    return [(window, bits)]


def _belongs(points: NDArray[np.int64], rows: NDArray[Any], columns: NDArray[Any]) -> Bits:
    """The rule of scikit-image, in whole numbers, for a few pixels at a time."""
    answers = [np.zeros(0, bool)]
    for start in range(0, len(rows), OUTLINE_BLOCK):
        part = slice(start, start + OUTLINE_BLOCK)
        x0 = points[:, 0] - columns[part, None] * LATTICE
        y0 = points[:, 1] - rows[part, None] * LATTICE
        x1, y1 = np.roll(x0, 1, axis=1), np.roll(y0, 1, axis=1)
        side = np.sign(x1 * y0 - x0 * y1) * np.sign(y0 - y1)
        right = ((y1 > 0) != (y0 > 0)) & (side > 0)
        left = ((y1 < 0) != (y0 < 0)) & (side < 0)
        vertex = ((x0 == 0) & (y0 == 0)).any(1)
        answers.append((right.sum(1) % 2 == 1) | (left.sum(1) % 2 == 1) | vertex)
    return np.concatenate(answers)


def outline_pixels(points: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels whose centres lie exactly on a closed outline.

    Args:
        points: int64 (n, 2), x and y on the lattice.
    """
    a, b = points, np.roll(points, -1, axis=0)
    flat = a[:, 1] == b[:, 1]
    low = np.where((a[:, 1] <= b[:, 1])[:, None], a, b)[~flat]
    high = np.where((a[:, 1] <= b[:, 1])[:, None], b, a)[~flat]
    first, last = -(-low[:, 1] // LATTICE), high[:, 1] // LATTICE
    counts = np.maximum(0, last - first + 1)
    edge = np.repeat(np.arange(len(low)), counts)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = first[edge] + step
    height = high[edge, 1] - low[edge, 1]
    across = low[edge, 0] * height
    across += (rows * LATTICE - low[edge, 1]) * (high[edge, 0] - low[edge, 0])
    columns, rest = np.divmod(across, np.maximum(height, 1) * LATTICE)
    found = [(rows[rest == 0], columns[rest == 0])]
    for (x0, y), (x1, _) in zip(a[flat], b[flat], strict=True):
        if y % LATTICE == 0:
            span = np.arange(-(-min(x0, x1) // LATTICE), max(x0, x1) // LATTICE + 1)
            found.append((np.full(len(span), y // LATTICE), span))
    return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])


def _rectangle(item: Item, shape: tuple[int, int]) -> list[tuple[Window, Bits]]:
    corners = np.array(item.points, np.int64).reshape(2, 2)
    window = _window(corners.min(0), corners.max(0), shape)
    if window is None:
        return []
    r0, r1, c0, c1 = window
    return [(window, np.ones((r1 - r0, c1 - c0), bool))]


def _grid(window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r0, r1, c0, c1 = window
    x = np.arange(c0, c1, dtype=np.float64)[None, :] * LATTICE
    return x, np.arange(r0, r1, dtype=np.float64)[:, None] * LATTICE


def _circle(item: Item, shape: tuple[int, int]) -> list[tuple[Window, Bits]]:
    centre, radius = np.array(item.points, np.int64), item.radius or 0
    window = _window(centre - radius, centre + radius, shape)
    if window is None:
        return []
    x, y = _grid(window)
    return [(window, (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= float(radius) ** 2)]


def _brush(item: Item, shape: tuple[int, int]) -> list[tuple[Window, Bits]]:
    """Every pixel within the radius of the path.

    The browser does these float64 operations in this order: a change here is one there.
    """
    path = np.array(item.points, np.int64).reshape(-1, 2)
    radius = item.radius or 0
    ends = path[1:] if len(path) > 1 else path
    covered = []
    for a, b in zip(path, ends, strict=False):
        window = _window(np.minimum(a, b) - radius, np.maximum(a, b) + radius, shape)
        if window is None:
            continue
        x, y = _grid(window)
        dx, dy = float(b[0] - a[0]), float(b[1] - a[1])
        length = dx * dx + dy * dy
        px, py = x - float(a[0]), y - float(a[1])
        along = px * dx + py * dy
        cross = px * dy - py * dx
        square = float(radius) * float(radius)
        near = px * px + py * py <= square
        if length:
            qx, qy = x - float(b[0]), y - float(b[1])
            near |= qx * qx + qy * qy <= square
            near |= (along > 0) & (along < length) & (cross * cross <= square * length)
        covered.append((window, near))
    return covered


_COVER: dict[str, Callable[[Item, tuple[int, int]], list[tuple[Window, Bits]]]] = {
    "freeform": _freeform,
    "rectangle": _rectangle,
    "circle": _circle,
    "brush": _brush,
    "erase": _brush,
}
