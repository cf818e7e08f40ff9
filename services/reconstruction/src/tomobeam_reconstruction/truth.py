"""The ground truth of a specimen on disk, and what a scientist would paint of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from tomobeam_contracts.tree import UNLABELLED, MaskClass
from tomobeam_reconstruction.faults import InputFault
from tomobeam_reconstruction.specimens import Material, Specimen

SUFFIX = "_truth.h5"


@dataclass(frozen=True)
class Truth:
    """What every voxel is: `labels` uint8 (z, y, x) as the reconstruction is, class 0 is air.

    `centre` is the column of the rotation axis in the projections, pixels.
    """

    kind: str
    seed: int
    labels: NDArray[np.uint8]
    materials: tuple[Material, ...]
    centre: float

    @property
    def classes(self) -> list[MaskClass]:
        """The materials as classes of a mask."""
        return [MaskClass(name=m.name, color=m.color) for m in self.materials]

    def attenuation(self) -> NDArray[np.float32]:
        """Linear attenuation per pixel, float32 (z, y, x): what a perfect reconstruction is."""
        table = np.array([m.attenuation for m in self.materials], np.float32)
        return table[self.labels] / self.labels.shape[2]


def truth_path(projections: Path) -> Path:
    """Where the truth of a projection file lies: `<name>_truth.h5` beside it."""
    return projections.with_name(projections.stem + SUFFIX)


def write_truth(path: Path, specimen: Specimen, centre: float) -> None:
    """Write a specimen's truth."""
    content = BytesIO()
    with h5py.File(content, "w") as file:
        labels = file.create_dataset(
            "labels",
            (specimen.height, specimen.size, specimen.size),
            np.uint8,
            chunks=(1, specimen.size, specimen.size),
            compression="gzip",
            shuffle=True,
        )
        for z in range(specimen.height):
            labels[z] = specimen.labels(z, z + 1)[0]
        file["classes"] = [m.name for m in specimen.materials]
        file["colors"] = [m.color for m in specimen.materials]
        file["attenuation"] = [m.attenuation for m in specimen.materials]
        file["attenuation"].attrs["units"] = "1 / width of the field of view"
        file["centre_of_rotation"] = centre
        file["centre_of_rotation"].attrs["units"] = "pixel"
        file.attrs["kind"], file.attrs["seed"] = specimen.kind, specimen.seed
    path.write_bytes(content.getbuffer())


def read_truth(path: Path) -> Truth:
    """Read what `write_truth` wrote.

    Raises:
        InputFault: it is not there or is something else; names the file.
    """
    try:
        with h5py.File(path, "r") as file:
            names = [name.decode() for name in _values(file, "classes")]
            colors = [color.decode() for color in _values(file, "colors")]
            values = _values(file, "attenuation").tolist()
            return Truth(
                kind=str(file.attrs["kind"]),
                seed=int(str(file.attrs["seed"])),
                labels=_values(file, "labels"),
                materials=tuple(map(Material, names, colors, values)),
                centre=float(_values(file, "centre_of_rotation")),
            )
    except (OSError, KeyError) as error:
        raise InputFault(f"{path}: no ground truth of a specimen: {error}") from error


def _values(file: h5py.File, name: str) -> NDArray[Any]:
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise KeyError(f"{name} is no dataset")
    return np.asarray(dataset[()])


@dataclass(frozen=True)
class Scribbles:
    """Strokes as a mask: `mask` int8 (n, H, W), plane k of slice `slices[k]`, ascending."""

    mask: NDArray[np.int8]
    slices: list[int]


def scribbles(
    labels: NDArray[np.uint8],
    slices: Sequence[int] | None = None,
    strokes: int = 3,
    thickness: int = 3,
    seed: int = 1,
) -> Scribbles:
    """What a scientist paints: a few short brush strokes inside regions of each class.

    A stroke begins deep inside a region and wanders towards neighbours that are deep too, as a
    hand that keeps off the edges; it never leaves its class. The same arguments give the same
    strokes.

    Args:
        labels: uint8 (z, H, W), classes 0…n−1.
        slices: painted slices; by default three spread over the stack.
        strokes: strokes per class and slice.
        thickness: of the brush, pixels.
        seed: of the hand.

    Returns:
        The mask; `UNLABELLED` where nothing is painted. Slices are ascending.

    Raises:
        InputFault: a slice outside the stack.
    """
    depth = labels.shape[0]
    chosen = sorted(
        {depth // 5, depth // 2, depth - 1 - depth // 5} if slices is None else {*slices}
    )
    for z in chosen:
        if not 0 <= z < depth:
            raise InputFault(f"slices: {z} is not one of the {depth} slices")
    mask = np.full((len(chosen), *labels.shape[1:]), UNLABELLED, np.int8)
    seen = _field_of_view(labels.shape[1], labels.shape[2])
    for k, z in enumerate(chosen):
        rng = np.random.default_rng([seed, z])
        for value in np.unique(labels[z][seen]):
            region = (labels[z] == value) & seen
            depth_map = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5)
            large = _start_weight(region, depth_map, 0.0)
            small = _start_weight(region, depth_map, 0.75)
            for stroke in range(strokes):
                weight = small if stroke else large
                line = _stroke(rng, depth_map, weight, max(labels.shape[1:]) // 6)
                brush = np.zeros(region.shape, np.uint8)
                brush[line[:, 0], line[:, 1]] = 1
                cv2.polylines(brush, [line[:, None, ::-1]], False, 1, thickness)
                mask[k][(brush == 1) & region] = value
    return Scribbles(mask, chosen)


def _field_of_view(height: int, width: int) -> NDArray[np.bool_]:
    """The circle that a reconstruction covers: nobody paints the black corners."""
    y, x = np.ogrid[:height, :width]
    radius = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    return radius < min(height, width) / 2 - 2


def _start_weight(
    region: NDArray[np.bool_], depth: NDArray[np.float32], fairness: float
) -> NDArray[np.float64]:
    """Probability of a stroke's first point: deep inside; `fairness` 1 treats all parts alike."""
    parts = np.asarray(cv2.connectedComponents(region.astype(np.uint8))[1], np.intp)
    weight = np.minimum(depth, 6.0).astype(np.float64) ** 2
    whole = np.bincount(parts.ravel(), weight.ravel())
    weight[region] /= whole[parts[region]] ** fairness
    return (weight / weight.sum()).ravel()


def _stroke(
    rng: np.random.Generator,
    depth: NDArray[np.float32],
    weight: NDArray[np.float64],
    length: int,
) -> NDArray[np.int32]:
    """Points (y, x) of a walk of at most `length` pixels through the deep parts of a region."""
    point = np.array(np.unravel_index(rng.choice(weight.size, p=weight), depth.shape))
    heading, points = rng.uniform(0, 2 * np.pi), [point]
    bends = np.linspace(-1.2, 1.2, 9)
    for _ in range(max(length // 2, 2)):
        turns = heading + bends + rng.normal(0, 0.15)
        ahead = np.rint(point[:, None] + 2 * np.array([np.sin(turns), np.cos(turns)])).astype(int)
        ahead = ahead.clip(0, np.array(depth.shape)[:, None] - 1)
        reached = np.minimum(depth[ahead[0], ahead[1]], 6.0)
        best = int(np.argmax(reached - 0.5 * np.abs(bends)))
        if reached[best] < 1:
            break
        point, heading = ahead[:, best], float(turns[best])
        points.append(point)
    return np.array(points, np.int32)
