"""HDF5 and NeXus: the file's own 3-D array."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py

from tomobeam_ingester.outcome import Reason, Refused
from tomobeam_ingester.paths import passing_fault
from tomobeam_ingester.stacks.forms import Form, Stack, along, check_dtype

SUFFIXES = (".h5", ".hdf", ".hdf5", ".nxs")
DEPTH = 8
STACK_SHAPE = "entry/reconstruction/shape"

Locate = Callable[[Path], Path]


def inspect(path: Path, locate: Locate) -> Stack:
    """Find the 3-D array of a file: NeXus' default signal, or else the only largest one.

    `locate` refuses files outside the roots, to which the array may link.

    Raises:
        Refused: there is none, or it cannot be told which; the file is truncated.
        StoreAway
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            dataset = _default_signal(file) or _largest(path, file)
            _check_links(path, dataset, locate)
            depth, height, width = dataset.shape
            shape = (int(depth), int(height), int(width))
            if 0 in shape:
                raise Refused(Reason.NO_STACK, f"{path}:{dataset.name} is empty: {shape}")
            dtype = check_dtype(dataset.dtype, path)
            # These are the chunks by which Tiled's reader goes.
            sizes = zip(shape, dataset.chunks or shape, strict=True)
            first, second, third = (along(size, chunk) for size, chunk in sizes)
            name = str(dataset.name) if dataset.file == file else _path_in(file, dataset)
            parameters = {"dataset": name, "swmr": False, "locking": False}
            return Stack(Form.HDF5, shape, dtype, (first, second, third), [path], parameters)
    except OSError as error:
        if passing := passing_fault(error, path):
            raise passing from error
        text = " ".join(str(error).split())
        reason = Reason.TRUNCATED if "truncated" in text else Reason.UNREADABLE
        raise Refused(reason, f"{path}: {text}") from error


def count_of(path: Path) -> int | None:
    """How many images a process file says that its stack has, or None.

    Our reconstruction writes the file last, with the stack's shape in it.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            shape = file.get(STACK_SHAPE)
            if not isinstance(shape, h5py.Dataset) or shape.shape != (3,):
                return None
            return int(shape[0])
    except (OSError, ValueError, TypeError):
        return None


def _default_signal(file: h5py.File) -> h5py.Dataset | None:
    """Follow `default` to an NXdata and take its `signal`, as NeXus prescribes."""
    group: h5py.Group = file
    for _ in range(DEPTH):
        name = group.attrs.get("default")
        below = group.get(_text(name)) if name is not None else None
        if not isinstance(below, h5py.Group):
            break
        group = below
    signal = group.attrs.get("signal")
    found = group.get(_text(signal)) if signal is not None else None
    return found if isinstance(found, h5py.Dataset) and found.ndim == 3 else None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _largest(path: Path, file: h5py.File) -> h5py.Dataset:
    found: dict[h5py.h5r.Reference, h5py.Dataset] = {}
    _walk(file, found, DEPTH)
    arrays = sorted(found.values(), key=lambda array: -int(array.size or 0))
    if not arrays:
        raise Refused(Reason.NO_STACK, f"{path} holds no 3-D array")
    if len(arrays) > 1 and arrays[0].size == arrays[1].size:
        names = ", ".join(sorted(str(array.name) for array in arrays[:3]))
        raise Refused(
            Reason.AMBIGUOUS, f"{path} holds several 3-D arrays of one size, none default: {names}"
        )
    return arrays[0]


def _walk(group: h5py.Group, found: dict, depth: int) -> None:
    for name in group:
        item = group.get(name)  # None where a link leads nowhere
        if isinstance(item, h5py.Dataset):
            if item.ndim == 3 and item.dtype.kind in "iufb":
                found.setdefault((item.file.filename, item.id.get_offset() or item.name), item)
        elif isinstance(item, h5py.Group) and depth > 0:
            _walk(item, found, depth - 1)


def _path_in(file: h5py.File, dataset: h5py.Dataset) -> str:
    """The name, within `file`, of a dataset that lies in a linked file."""
    names: list[str] = []

    def visit(group: h5py.Group, prefix: str, depth: int) -> None:
        for name in group:
            item = group.get(name)
            if isinstance(item, h5py.Dataset) and item == dataset:
                names.append(f"{prefix}/{name}")
            elif isinstance(item, h5py.Group) and depth > 0:
                visit(item, f"{prefix}/{name}", depth - 1)

    visit(file, "", DEPTH)
    return names[0]


def _check_links(path: Path, dataset: h5py.Dataset, locate: Locate) -> None:
    linked = {Path(dataset.file.filename)}
    linked |= {path.parent / name for name, *_ in dataset.external or []}
    if dataset.is_virtual:
        sources = {source.file_name for source in dataset.virtual_sources()}
        linked |= {path.parent / name for name in sources if name != "."}
    linked.discard(path)
    for target in linked:
        if locate(target) and not target.exists():
            raise Refused(Reason.INCOMPLETE, f"{path} links to {target}, which is not there")
