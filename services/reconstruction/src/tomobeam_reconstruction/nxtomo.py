"""Projections as NeXus NXtomo files, as Diamond's i12 and i13 write them.

The application definition is at https://manual.nexusformat.org/classes/applications/NXtomo.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import h5py
import numpy as np
from numpy.typing import NDArray

from tomobeam_reconstruction.faults import InputFault

PROJECTION, FLAT, DARK, INVALID = range(4)
ENTRY = "entry1/tomo_entry"
_LENGTHS = {"m": 1e6, "mm": 1e3, "um": 1.0, "µm": 1.0, "micron": 1.0, "microns": 1.0, "nm": 1e-3}
_NAMES = {FLAT: "flat", DARK: "dark"}


@dataclass(frozen=True)
class Paths:
    """Where in the file things are, relative to the NXtomo entry."""

    data: tuple[str, ...] = ("instrument/detector/data", "data/data")
    keys: tuple[str, ...] = ("instrument/detector/image_key", "data/image_key")
    angles: tuple[str, ...] = ("sample/rotation_angle", "data/rotation_angle")
    pixel_size: tuple[str, ...] = ("instrument/detector/x_pixel_size",)


class Projections:
    """An open NXtomo file whose structure has been checked.

    Attributes:
        angles: radians (a,), float64, of the projections in the file's order.
        flat, dark: mean frames, float32 (z, x).
        height, width: of a frame. pixel_size: micrometres, or None.
    """

    def __init__(self, path: Path) -> None:
        """Open and check.

        Raises:
            InputFault: not a file that can be reconstructed; names the file and the dataset.
        """
        self.path = path
        self._file = _open(path)
        try:
            self._read_structure()
        except (OSError, RuntimeError) as error:
            self._file.close()
            raise InputFault(f"{path}: cannot be read, truncated or damaged: {error}") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._file.close()

    def _read_structure(self) -> None:
        entry, paths = _tomo_entry(self._file, self.path), Paths()
        self._data = self._dataset(entry, paths.data, "the images")
        if self._data.ndim != 3 or 0 in self._data.shape:
            raise self._fault(
                self._data, f"has shape {self._data.shape}, not (images, rows, columns)"
            )
        if self._data.dtype.kind not in "uif":
            raise self._fault(self._data, f"holds {self._data.dtype}, not numbers")
        keys = self._vector(entry, paths.keys, "the image keys (0 projection, 1 flat, 2 dark)")
        angles = self._vector(entry, paths.angles, "the rotation angles")
        self._index = np.flatnonzero(keys == PROJECTION)
        if len(self._index) < 2:
            raise self._fault(self._data, f"has {len(self._index)} projections (image_key 0)")
        self.angles = self._radians(entry, paths.angles, angles[self._index])
        self.height, self.width = self._data.shape[1:]
        self.flat, self.dark = self._mean(keys, FLAT), self._mean(keys, DARK)
        if not np.any(self.flat > self.dark):
            raise self._fault(self._data, "has flat frames that are nowhere brighter than the dark")
        self.pixel_size = self._pixel_size(entry, paths.pixel_size)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Rows `start` to `stop` of every projection, float32 (a, rows, x).

        Raises:
            InputFault: not a number in there, or the file is damaged.
        """
        first, last = int(self._index[0]), int(self._index[-1]) + 1
        try:
            block = self._data[first:last, start:stop]
        except (OSError, RuntimeError) as error:
            raise self._fault(
                self._data, f"cannot be read, truncated or damaged: {error}"
            ) from error
        if len(self._index) != last - first:
            block = block[self._index - first]
        self._refuse_nan(block, self._index, start)
        return block.astype(np.float32)

    def _mean(self, keys: NDArray[Any], key: int) -> NDArray[np.float32]:
        index = np.flatnonzero(keys == key)
        if not len(index):
            raise self._fault(self._data, f"has no {_NAMES[key]} frames (image_key {key})")
        total = np.zeros(self._data.shape[1:])
        for k in index:
            frame = self._data[k]
            self._refuse_nan(frame[None], np.array([k]), 0)
            total += frame
        return (total / len(index)).astype(np.float32)

    def _refuse_nan(self, block: NDArray[Any], images: NDArray[np.intp], row: int) -> None:
        if block.dtype.kind != "f" or np.isfinite(block.sum()):
            return
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            image, z, x = bad[0]
            where = f"image {images[image]}, row {z + row}, column {x}"
            raise self._fault(self._data, f"has a value that is not a number at {where}")

    def _vector(self, entry: h5py.Group, places: tuple[str, ...], what: str) -> NDArray[Any]:
        dataset = self._dataset(entry, places, what)
        values = np.asarray(dataset[()])
        if values.shape != self._data.shape[:1]:
            raise self._fault(
                dataset,
                f"has shape {values.shape} where {self._data.shape[:1]} belong to the images",
            )
        if values.dtype.kind not in "uif" or not np.all(np.isfinite(values)):
            raise self._fault(dataset, "has a value that is not a number")
        return values

    def _radians(
        self, entry: h5py.Group, places: tuple[str, ...], angles: NDArray[Any]
    ) -> NDArray[np.float64]:
        dataset = self._dataset(entry, places, "the rotation angles")
        if _text(dataset.attrs.get("units", "deg")).startswith("rad"):
            return np.asarray(angles, np.float64)
        return np.deg2rad(np.asarray(angles, np.float64))

    def _pixel_size(self, entry: h5py.Group, places: tuple[str, ...]) -> float | None:
        for place in places:
            dataset = entry.get(place)
            if isinstance(dataset, h5py.Dataset) and dataset.size:
                unit = _text(dataset.attrs.get("units", ""))
                value = float(np.asarray(dataset[()]).flat[0]) * _LENGTHS.get(unit, 0)
                return value if np.isfinite(value) and value > 0 else None
        return None

    def _dataset(self, entry: h5py.Group, places: tuple[str, ...], what: str) -> h5py.Dataset:
        for place in places:
            dataset = entry.get(place)
            if isinstance(dataset, h5py.Dataset):
                return dataset
        names = " or ".join(f"{entry.name}/{place}" for place in places)
        raise InputFault(f"{self.path}: there is no {names}: {what}")

    def _fault(self, dataset: h5py.Dataset, what: str) -> InputFault:
        return InputFault(f"{self.path}: {dataset.name} {what}")


def _open(path: Path) -> h5py.File:
    if not path.exists():
        raise InputFault(f"{path}: there is no such file")
    if not path.is_file():
        raise InputFault(f"{path}: is not a file")
    try:
        if not h5py.is_hdf5(path):
            raise InputFault(f"{path}: is not an HDF5 file")
        return h5py.File(path, "r")
    except PermissionError as error:
        raise InputFault(f"{path}: may not be read: {error.strerror}") from error
    except OSError as error:
        raise InputFault(f"{path}: cannot be opened, truncated or damaged: {error}") from error


def _tomo_entry(file: h5py.File, path: Path) -> h5py.Group:
    """The first group that says it follows NXtomo."""
    found: list[h5py.Group] = []

    def look(_name: str, item: h5py.Group | h5py.Dataset) -> bool | None:
        definition = item.get("definition") if isinstance(item, h5py.Group) else None
        if isinstance(definition, h5py.Dataset) and _text(definition[()]) == "NXtomo":
            found.append(cast(h5py.Group, item))
            return True
        return None

    file.visititems(look)
    if not found:
        raise InputFault(f"{path}: no group has a dataset 'definition' that says NXtomo")
    return found[0]


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.flat[0] if value.size else ""
    return value.decode() if isinstance(value, bytes) else str(value)


class NXtomoWriter:
    """Writes an NXtomo file frame block by frame block.

    Frames are: darks, flats, projections, flats, darks, as Diamond's beamlines record them.
    """

    def __init__(
        self,
        path: Path,
        *,
        angles: NDArray[np.float64],
        frames: int,
        shape: tuple[int, int],
        pixel_size: float,
        title: str,
    ) -> None:
        """`angles` in degrees (a,); `frames` darks and flats at each end; `shape` is (z, x)."""
        self._frames, self._count = frames, len(angles)
        keys = [DARK] * frames + [FLAT] * frames + [PROJECTION] * len(angles)
        keys += [FLAT] * frames + [DARK] * frames
        ends = 2 * frames
        stage = np.concatenate([np.full(ends, angles[0]), angles, np.full(ends, angles[-1])])
        self._file = h5py.File(path, "w")
        self._file.attrs["default"] = "entry1"
        outer = _group(self._file, "entry1", "NXentry")
        entry = _group(outer, "tomo_entry", "NXsubentry")
        entry["definition"], entry["title"] = "NXtomo", title
        instrument = _group(entry, "instrument", "NXinstrument")
        detector = _group(instrument, "detector", "NXdetector")
        _group(instrument, "source", "NXsource")["probe"] = "x-ray"
        self._data = detector.create_dataset("data", (len(keys), *shape), np.uint16)
        detector["image_key"] = np.array(keys, np.int32)
        for name in ("x_pixel_size", "y_pixel_size"):
            detector[name] = pixel_size
            detector[name].attrs["units"] = "um"
        sample = _group(entry, "sample", "NXsample")
        sample["name"], sample["rotation_angle"] = title, stage
        sample["rotation_angle"].attrs["units"] = "degrees"
        data = _group(entry, "data", "NXdata")
        data.attrs["signal"] = "data"
        data["data"], data["image_key"] = detector["data"], detector["image_key"]
        data["rotation_angle"] = sample["rotation_angle"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def write(
        self,
        start: int,
        stop: int,
        darks: NDArray[np.uint16],
        flats: NDArray[np.uint16],
        projections: NDArray[np.uint16],
    ) -> None:
        """Rows `start` to `stop` of every frame, uint16 (frames, rows, x) each."""
        n = self._frames
        block = np.concatenate([darks[:n], flats[:n], projections, flats[n:], darks[n:]])
        self._data[:, start:stop] = block


def _group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group
