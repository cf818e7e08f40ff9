"""Zarr: a folder that is a 3-D array, or a group that holds one (OME-Zarr's full resolution)."""

from __future__ import annotations

import os
from pathlib import Path

import zarr
from zarr.errors import BaseZarrError

from tomobeam_ingester.outcome import Reason, Refused
from tomobeam_ingester.paths import passing_fault
from tomobeam_ingester.stacks.forms import Form, Stack, Survey, along, check_dtype

MARKS = (".zarray", ".zgroup", "zarr.json")


def is_zarr(folder: Path) -> bool:
    """Whether `folder` is the root of a Zarr array or group."""
    return any((folder / mark).exists() for mark in MARKS)


def survey(folder: Path) -> Survey:
    """Count what lies below, and when any folder of it last changed.

    Raises:
        OSError
    """
    count, newest = 0, 0.0
    for here, folders, files in os.walk(folder, onerror=_raise):
        count += len(folders) + len(files)
        newest = max(newest, Path(here).stat().st_mtime)
    return Survey((count, newest), None, newest)


def _raise(error: OSError) -> None:
    raise error


def inspect(folder: Path) -> Stack:
    """Find the 3-D array: the folder itself, or the largest in the group.

    Raises:
        Refused: there is none, or its description cannot be read.
        StoreAway
    """
    try:
        found = zarr.open(str(folder), mode="r")
        array = found if isinstance(found, zarr.Array) else _largest(folder, found)
    except OSError as error:
        if passing := passing_fault(error, folder):
            raise passing from error
        raise Refused(Reason.UNREADABLE, f"{folder}: {error}") from error
    except (BaseZarrError, ValueError, KeyError, TypeError) as error:
        raise Refused(Reason.UNREADABLE, f"{folder} is no readable Zarr: {error}") from error
    if array.ndim != 3 or 0 in array.shape:
        raise Refused(Reason.NO_STACK, f"{folder} is no 3-D array: shape {array.shape}")
    depth, height, width = array.shape
    sizes = zip(array.shape, array.chunks, strict=True)
    first, second, third = (along(size, chunk) for size, chunk in sizes)
    dtype = check_dtype(array.dtype, folder)
    where = folder / array.path if array.path else folder
    return Stack(Form.ZARR, (depth, height, width), dtype, (first, second, third), [where])


def _largest(folder: Path, group: zarr.Group) -> zarr.Array:
    arrays = [array for _, array in group.arrays() if array.ndim == 3]
    if not arrays:
        raise Refused(Reason.NO_STACK, f"{folder} holds no 3-D array")
    arrays.sort(key=lambda array: -array.size)
    if len(arrays) > 1 and arrays[0].size == arrays[1].size:
        names = ", ".join(array.path for array in arrays[:3])
        raise Refused(Reason.AMBIGUOUS, f"{folder} holds several 3-D arrays of one size: {names}")
    return arrays[0]
