"""TIFF: a folder of one-page images (Savu, httomo, ALS), or one file of many pages."""

from __future__ import annotations

import itertools
import os
import re
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from tomobeam_ingester.outcome import Reason, Refused
from tomobeam_ingester.paths import passing_fault
from tomobeam_ingester.stacks.forms import Form, Stack, Survey, check_dtype, per_slice

SUFFIXES = (".tif", ".tiff")
SAMPLED = 64
_NUMBER = re.compile(r"^(?P<prefix>.*?)(?P<number>\d+)$")


def is_tiff(name: str) -> bool:
    """Whether a file of this name is an image of a stack."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def image_names(folder: Path) -> list[str]:
    """The names of the images in `folder`, in the order of their numbers.

    Raises:
        OSError
    """
    with os.scandir(folder) as entries:
        return sorted((entry.name for entry in entries if is_tiff(entry.name)), key=_order)


def _order(name: str) -> tuple[str, int, str]:
    prefix, number = _split(name)
    return (prefix, -1 if number is None else number, name)


def _split(name: str) -> tuple[str, int | None]:
    match = _NUMBER.match(name.rpartition(".")[0])
    return (match["prefix"], int(match["number"])) if match else (name, None)


def survey_folder(folder: Path) -> Survey:
    """Count the images and look at the state of up to `SAMPLED` of them.

    Raises:
        OSError
    """
    names = image_names(folder)
    step = max(1, len(names) // SAMPLED)
    sample = [*names[::step], *names[-2:]]
    states = [(folder / name).stat() for name in sample]
    own = folder.stat()
    newest = max([own.st_mtime, *(state.st_mtime for state in states)])
    sizes = tuple((state.st_size, state.st_mtime_ns) for state in states)
    return Survey((len(names), own.st_mtime_ns, *sizes), len(names), newest)


def inspect_folder(folder: Path) -> Stack:
    """Read the header of every image of a stack.

    Raises:
        Refused: there is none; one is missing, unreadable, truncated, or unlike the others.
        StoreAway
    """
    names = image_names(folder)
    if not names:
        raise Refused(Reason.NO_STACK, f"{folder} holds no TIFF images")
    _check_numbers(folder, names)
    files = [folder / name for name in names]
    first = _header(files[0])
    for path in files[1:]:
        header = _header(path)
        if header != first:
            raise Refused(
                Reason.MIXED_SHAPES,
                f"{path} is {_words(*header)}, but {files[0].name} is {_words(*first)}",
            )
    (height, width), dtype = first
    shape = (len(files), height, width)
    return Stack(Form.TIFF_SEQUENCE, shape, dtype, per_slice(shape), files)


def _check_numbers(folder: Path, names: Sequence[str]) -> None:
    parts = [_split(name) for name in names]
    if any(number is None for _, number in parts):
        return
    prefixes = sorted({prefix for prefix, _ in parts})
    if len(prefixes) > 1:
        series = ", ".join(repr(prefix) for prefix in prefixes[:4])
        raise Refused(Reason.AMBIGUOUS, f"{folder} holds several series of images: {series}")
    numbers = [number for _, number in parts if number is not None]
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    usual = min(steps, default=1)
    if usual == 0:
        twice = numbers[steps.index(0)]
        raise Refused(Reason.AMBIGUOUS, f"{folder} holds two images numbered {twice}")
    for before, step in zip(numbers, steps, strict=False):
        if step != usual:
            raise Refused(
                Reason.INCOMPLETE, f"{folder} lacks image number {before + usual} of its series"
            )


def _words(shape: tuple[int, int], dtype: np.dtype) -> str:
    return f"{shape[0]} × {shape[1]} {dtype}"


def _header(path: Path) -> tuple[tuple[int, int], np.dtype]:
    with _open(path) as tif:
        if len(tif.pages) != 1:
            raise Refused(Reason.UNSUPPORTED, f"{path} holds {len(tif.pages)} pages in a sequence")
        page = tif.pages.first
        _check_page(path, page, tif.filehandle.size)
        return (page.shape[0], page.shape[1]), check_dtype(page.dtype, path)


def _check_page(path: Path, page: tifffile.TiffPage, size: int) -> None:
    if len(page.shape) != 2:
        raise Refused(Reason.UNSUPPORTED, f"{path} is not one grey image: shape {page.shape}")
    ends = [start + n for start, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
    # Strips of zero bytes are what a writer leaves that died before the pixels.
    if not ends or 0 in page.databytecounts or max(ends) > size:
        raise Refused(
            Reason.TRUNCATED,
            f"{path} is truncated: {size} bytes, but its pixels end at {max(ends, default=0)}",
        )


class _open:  # noqa: N801 - used as a function
    """Opens a TIFF and turns the ways in which that fails into sentences."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> tifffile.TiffFile:
        try:
            if self._path.stat().st_size == 0:
                raise Refused(Reason.EMPTY_FILE, f"{self._path} has 0 bytes")
            self._tif = tifffile.TiffFile(self._path)
        except (OSError, tifffile.TiffFileError, ValueError, struct.error) as error:
            raise self._explain(error) from error
        return self._tif

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._tif.close()
        if isinstance(error, OSError | tifffile.TiffFileError | struct.error | IndexError):
            raise self._explain(error) from error

    def _explain(self, error: BaseException) -> Exception:
        if isinstance(error, OSError):
            if passing := passing_fault(error, self._path):
                return passing
            return Refused(Reason.UNREADABLE, f"{self._path}: {error.strerror or error}")
        return Refused(Reason.TRUNCATED, f"{self._path} is no whole TIFF: {error}")


def survey_file(path: Path) -> Survey:
    """Look at the state of one file.

    Raises:
        OSError
    """
    state = path.stat()
    return Survey((state.st_size, state.st_mtime_ns), None, state.st_mtime)


def inspect_file(path: Path) -> Stack:
    """Read the headers of a multi-page TIFF.

    Raises:
        Refused: it is a single image, unreadable, truncated, or its pages differ.
        StoreAway
    """
    with _open(path) as tif:
        first: tuple[tuple[int, int], np.dtype] | None = None
        for number, page in enumerate(tif.pages):
            whole = page if isinstance(page, tifffile.TiffPage) else page.aspage()
            _check_page(path, whole, tif.filehandle.size)
            this = ((whole.shape[0], whole.shape[1]), check_dtype(whole.dtype, path))
            first = first or this
            if this != first:
                raise Refused(
                    Reason.MIXED_SHAPES,
                    f"{path}: page {number} is {_words(*this)}, but page 0 is {_words(*first)}",
                )
        if first is None:
            raise Refused(Reason.TRUNCATED, f"{path} has no pages")
        stack = _series_shape(path, tif)
        # Tiled reads such a file as one chunk whatever is said here.
        chunks = ((stack[0],), (stack[1],), (stack[2],))
        return Stack(Form.TIFF_FILE, stack, first[1], chunks, [path])


def _series_shape(path: Path, tif: tifffile.TiffFile) -> tuple[int, int, int]:
    """Tiled reads the first series of a file and no other."""
    if len(tif.series) != 1:
        raise Refused(
            Reason.UNSUPPORTED,
            f"{path} holds {len(tif.series)} separate series of pages, of which Tiled reads one",
        )
    shape = tif.series[0].shape
    if len(shape) != 3:
        raise Refused(Reason.NO_STACK, f"{path} is no stack of images: its shape is {shape}")
    return int(shape[0]), int(shape[1]), int(shape[2])
