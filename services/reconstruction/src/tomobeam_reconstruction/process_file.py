"""`*_processed.nxs`: what was done to which file, and the sign that the stack is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import h5py

from tomobeam_reconstruction.stack import write_synced

Value = str | int | float


@dataclass(frozen=True)
class Step:
    """One step of the process: the program that did it, and with what."""

    name: str
    program: str
    parameters: Mapping[str, Value] = field(default_factory=dict)


def write_process(
    path: Path,
    *,
    steps: Sequence[Step],
    when: datetime,
    stack: str,
    shape: tuple[int, int, int],
    pixel_size: float | None,
) -> None:
    """Write the steps as NXprocess groups in order, and what the stack is.

    Args:
        path: of the file; it appears under that name only when whole.
        steps: in the order in which they were done; `program` is a distribution's name.
        when: the process ended.
        stack: pattern of the slices' files, relative to this one.
        shape: (z, y, x).
        pixel_size: edge of a voxel, micrometres.
    """
    # HDF5 does not survive a full disk when it writes itself.
    content = BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["default"] = "entry"
        entry = _group(file, "entry", "NXentry")
        entry["title"], entry["end_time"] = path.stem, when.isoformat()
        process = _group(entry, "process", "NXcollection")
        for number, step in enumerate(steps, start=1):
            group = _group(process, f"{number:02d}_{step.name}", "NXprocess")
            group["program"], group["version"] = step.program, version(step.program)
            group["date"], group["sequence_index"] = when.isoformat(), number
            parameters = _group(group, "parameters", "NXparameters")
            for key, value in step.parameters.items():
                parameters[key] = value
        result = _group(entry, "reconstruction", "NXcollection")
        result["files"], result["shape"], result["dtype"] = stack, shape, "float32"
        result["units"], result["axes"] = "1/pixel", "z,y,x"
        if pixel_size is not None:
            result["pixel_size"] = pixel_size
            result["pixel_size"].attrs["units"] = "um"
    part = path.with_name(f".{path.name}.part")
    write_synced(part, content)
    part.rename(path)


def _group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group
