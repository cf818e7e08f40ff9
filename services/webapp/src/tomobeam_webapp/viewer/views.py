"""Views of slices: 16-bit pyramids, made from Tiled at first sight and kept on a bounded disk.

The values of a view are `(value - lo) * 65535 / (hi - lo)`, cut at both ends, where lo…hi is the
robust range of the whole stack; what classifies reads the data themselves, never views.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tomobeam_common import logs
from tomobeam_common.tiled import Node, TiledClient, TiledError
from tomobeam_webapp.viewer.disk import DiskCache

FULL = 65535
SMALLEST = 256
SAMPLED_SLICES = 5
SAMPLED_PIXELS = 500_000
HOT_SLICES = 8
PREFETCH = 2
MAX_UNWRITTEN = 8
"""Views waiting for the disk; beyond that a view is made again when it is next wanted."""
Pyramid = list[NDArray[np.uint16]]
log = logs.get(__name__)


class NoSuchImage(LookupError):
    """There is no 3-D array of that path, or no such slice of it."""


@dataclass(frozen=True)
class StackInfo:
    """What the page must know to draw a stack: shape (z, y, x), range of the views, window."""

    shape: tuple[int, int, int]
    dtype: str
    levels: int
    lo: float
    hi: float
    window: tuple[float, float]
    pixel_size: float | None


class Views:
    """Views of all stacks. Safe to share between threads; several processes share the disk."""

    def __init__(self, tiled: TiledClient, folder: Path, max_bytes: int) -> None:
        self._tiled = tiled
        self._disk = DiskCache(folder, max_bytes)
        self._lock = threading.Lock()
        self._hot: OrderedDict[tuple[str, str, int], Pyramid] = OrderedDict()
        self._making: dict[tuple[str, str, int], threading.Lock] = {}
        self._nodes: dict[tuple[str, str], tuple[Node, StackInfo]] = {}
        self._background = ThreadPoolExecutor(1, thread_name_prefix="views")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="views-disk")
        self._unwritten = threading.BoundedSemaphore(MAX_UNWRITTEN)
        self._wanted: set[tuple[str, str, int]] = set()

    def info(self, image: str, version: str) -> StackInfo:
        """Describe a stack; the first time samples its values, afterwards from memory.

        Raises:
            NoSuchImage, TiledError.
        """
        return self._stack(image, version)[1]

    def region(
        self, image: str, version: str, z: int, level: int, box: tuple[int, int, int, int]
    ) -> NDArray[np.uint16]:
        """The pixels x, y, width, height of a level of slice z, cut to the level's size.

        Raises:
            NoSuchImage: no such stack, slice or level.
            TiledError: the slice cannot be read.
        """
        pyramid = self._pyramid(image, version, z)
        if level >= len(pyramid):
            raise NoSuchImage(f"{image} has no level {level}")
        x, y, width, height = box
        return np.ascontiguousarray(pyramid[level][y : y + height, x : x + width])

    def prefetch(self, image: str, version: str, z: int) -> None:
        """Prepare the neighbours of slice z in the background; newer wishes replace older."""
        with self._lock:
            self._wanted = {
                (image, version, z + step * side)
                for step in range(1, PREFETCH + 1)
                for side in (1, -1)
            }
        self._background.submit(self._prepare)

    def _prepare(self) -> None:
        while True:
            with self._lock:
                missing = sorted(self._wanted - self._hot.keys())
                self._wanted.clear()
                if missing:
                    self._wanted.update(missing[1:])
            if not missing:
                return
            try:
                self._pyramid(*missing[0])
            except NoSuchImage:
                continue
            except (TiledError, OSError) as error:
                log.info("no view prepared", image=missing[0][0], error=str(error))
                return

    def _stack(self, image: str, version: str) -> tuple[Node, StackInfo]:
        known = self._nodes.get((image, version))
        if known is None:
            node = self._tiled.node(image)
            if node is None or node.shape is None or node.dtype is None or len(node.shape) != 3:
                raise NoSuchImage(f"there is no image {image}")
            known = node, self._describe(node, image, version)
            self._nodes[(image, version)] = known
        return known

    def _describe(self, node: Node, image: str, version: str) -> StackInfo:
        assert node.shape is not None
        assert node.dtype is not None
        kept = self._disk.folder(_folder(image, version)) / "range.json"
        try:
            lo, hi, low, high = json.loads(kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            lo, hi, low, high = stack_range(self._sample(node), node.dtype)
            self._disk.write(kept, json.dumps([lo, hi, low, high]).encode())
        z, y, x = node.shape
        size = node.metadata.get("pixel_size")
        return StackInfo(
            shape=(z, y, x),
            dtype=str(node.dtype),
            levels=level_count(y, x),
            lo=lo,
            hi=hi,
            window=(low, high),
            pixel_size=size if isinstance(size, int | float) and size > 0 else None,
        )

    def _sample(self, node: Node) -> NDArray[Any]:
        assert node.shape is not None
        depth = node.shape[0]
        chosen = sorted({round(z) for z in np.linspace(0, depth - 1, SAMPLED_SLICES + 2)[1:-1]})
        step = max(1, int(np.sqrt(node.shape[1] * node.shape[2] / SAMPLED_PIXELS)))
        return np.stack([self._tiled.read(node, (z,))[::step, ::step] for z in chosen])

    def _pyramid(self, image: str, version: str, z: int) -> Pyramid:
        node, info = self._stack(image, version)
        if not 0 <= z < info.shape[0]:
            raise NoSuchImage(f"{image} has no slice {z}")
        key = (image, version, z)
        with self._lock:
            if key in self._hot:
                self._hot.move_to_end(key)
                return self._hot[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._hot:
                    return self._hot[key]
            pyramid = self._from_disk(key, info) or self._make(key, node, info)
            with self._lock:
                self._hot[key] = pyramid
                while len(self._hot) > HOT_SLICES:
                    self._hot.popitem(last=False)
                self._making.pop(key, None)
            return pyramid

    def _from_disk(self, key: tuple[str, str, int], info: StackInfo) -> Pyramid | None:
        path = self._disk.folder(_folder(*key[:2])) / f"{key[2]}.u16"
        sizes = level_sizes(*info.shape[1:])
        total = sum(h * w for h, w in sizes)
        try:
            flat = np.memmap(path, "<u2", "r", shape=(total,))
            os.utime(path)
        except (OSError, ValueError):
            return None
        ends = np.cumsum([h * w for h, w in sizes])[:-1]
        return [part.reshape(s) for part, s in zip(np.split(flat, ends), sizes, strict=True)]

    def _make(self, key: tuple[str, str, int], node: Node, info: StackInfo) -> Pyramid:
        image, version, z = key
        pyramid = make_pyramid(self._tiled.read(node, (z,)), info.lo, info.hi)
        if self._unwritten.acquire(blocking=False):
            # Whoever waits for the picture does not wait for the disk.
            path = self._disk.folder(_folder(image, version)) / f"{z}.u16"
            self._writer.submit(self._keep, path, pyramid)
        return pyramid

    def _keep(self, path: Path, pyramid: Pyramid) -> None:
        try:
            self._disk.write(path, b"".join(level.tobytes() for level in pyramid))
        finally:
            self._unwritten.release()


def _folder(image: str, version: str) -> str:
    return hashlib.sha256(f"{image}\n{version}".encode()).hexdigest()[:32]


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Height and width of every level of a pyramid, the whole slice first."""
    sizes = [(height, width)]
    while min(sizes[-1]) > SMALLEST:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def level_count(height: int, width: int) -> int:
    """How many levels the pyramid of a slice has."""
    return len(level_sizes(height, width))


def make_pyramid(data: NDArray[Any], lo: float, hi: float) -> Pyramid:
    """Quantise a slice to 16 bits and halve it until it is small; what is not a number is 0."""
    scaled = np.subtract(data, np.float32(lo), dtype=np.float32)
    scaled *= np.float32(FULL / (hi - lo))
    np.clip(scaled, 0, FULL, out=scaled)
    if np.isnan(scaled.min()):
        np.nan_to_num(scaled, copy=False, nan=0.0)
    scaled += np.float32(0.5)
    levels = [scaled.astype("<u2")]
    for height, width in level_sizes(*data.shape)[1:]:
        smaller = cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_AREA)
        levels.append(smaller.reshape(height, width))
    return levels


def stack_range(sample: NDArray[Any], dtype: np.dtype[Any]) -> tuple[float, float, float, float]:
    """The range lo…hi that views keep, and the window in it that shows the sample well.

    Integers of up to 16 bits are kept exactly. For others outliers (rings, hot pixels) are cut:
    0.01 % at both ends, with a quarter of the rest added for slices that were not sampled.
    """
    finite = sample[np.isfinite(sample)].astype(np.float64)
    if not finite.size:
        return 0.0, 1.0, 0.0, 1.0
    bottom, low, high, top = np.percentile(finite, [0.01, 0.5, 99.5, 99.99])
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        bounds = np.iinfo(dtype)
        lo = float(bounds.min)
        hi = float(bounds.max) if dtype.itemsize == 2 else lo + 255.0
    else:
        margin = (top - bottom) * 0.25 or abs(top) * 0.01 or 1.0
        lo, hi = float(bottom - margin), float(top + margin)
    if low == high:
        low, high = lo, hi
    return lo, hi, float(low), float(high)


def describe(info: StackInfo) -> dict[str, Any]:
    """The JSON-ready form."""
    return asdict(info)
