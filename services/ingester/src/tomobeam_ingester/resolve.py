"""From a path to the stacks that it may mean, best first."""

from __future__ import annotations

import re
from pathlib import Path

from tomobeam_ingester.outcome import NotYet, Reason, Refused, StoreAway
from tomobeam_ingester.paths import Roots, passing_fault
from tomobeam_ingester.stacks import hdf5, tiff, zarr
from tomobeam_ingester.stacks.forms import Candidate, Form, Stack, Survey

PROCESSED = "_processed.nxs"
SAVU_FOLDER = re.compile(r"^TiffSaver_(\d+)$")
HTTOMO_FOLDER = re.compile(r"^images\d+bit_tif{1,2}$")


def resolve(path: Path, roots: Roots) -> list[Candidate]:
    """The stacks that a path may mean, in order of preference; the first complete one is taken.

    Raises:
        NotYet: nothing of that name is there.
        Refused: it is no form of a stack, or several are meant.
        StoreAway
    """
    try:
        here = roots.locate(path)
        if here.is_dir():
            return _folder(here, roots)
        if here.is_file():
            return _file(here, roots)
        here.stat()
    except FileNotFoundError as error:
        raise NotYet(Refused(Reason.NO_SUCH_PATH, f"{path} does not exist")) from error
    except OSError as error:
        if passing := passing_fault(error, path):
            raise passing from error
        raise Refused(Reason.UNREADABLE, f"{path}: {error.strerror}") from error
    raise Refused(Reason.NO_STACK, f"{path} is neither a file nor a folder")


def _file(path: Path, roots: Roots) -> list[Candidate]:
    if path.name.endswith(PROCESSED):
        return _of_process_file(path, roots)
    suffix = path.suffix.lower()
    if suffix in tiff.SUFFIXES:
        return [Candidate(path, Form.TIFF_FILE, _folder_of_file(path, roots))]
    if suffix in hdf5.SUFFIXES:
        return [Candidate(path, Form.HDF5, _folder_of_file(path, roots))]
    raise Refused(Reason.UNSUPPORTED, f"{path} is no TIFF, HDF5 or NeXus file")


def _of_process_file(path: Path, roots: Roots) -> list[Candidate]:
    name = _folder_of_file(path, roots)
    folders = savu_folders(path.parent) or _httomo_folders(path.parent)
    if folders:
        return [Candidate(folder, Form.TIFF_SEQUENCE, name, path) for folder in folders]
    return [Candidate(path, Form.HDF5, name, path)]


def savu_folders(scan_folder: Path) -> list[Path]:
    """The `TiffSaver_<n>` in a scan's folder, highest n first."""
    found = []
    for entry in scan_folder.iterdir():
        match = SAVU_FOLDER.match(entry.name)
        if match and entry.is_dir():
            found.append((int(match[1]), entry))
    return [entry for _, entry in sorted(found, reverse=True)]


def _httomo_folders(scan_folder: Path) -> list[Path]:
    """The folder of httomo's images, if there is exactly one."""
    found = [entry for entry in scan_folder.iterdir() if HTTOMO_FOLDER.match(entry.name)]
    if len(found) > 1:
        names = ", ".join(sorted(entry.name for entry in found))
        raise Refused(Reason.AMBIGUOUS, f"{scan_folder} holds several stacks: {names}")
    return found


def _folder(path: Path, roots: Roots) -> list[Candidate]:
    if zarr.is_zarr(path):
        return [Candidate(path, Form.ZARR, path.name)]
    if any(tiff.is_tiff(entry.name) for entry in path.iterdir()):
        return [_sequence(path)]
    if SAVU_FOLDER.match(path.name) or HTTOMO_FOLDER.match(path.name):
        return [_sequence(path)]  # Its first image may be on its way.
    return _scan_folder(path, roots)


def _sequence(folder: Path) -> Candidate:
    layout = SAVU_FOLDER.match(folder.name) or HTTOMO_FOLDER.match(folder.name)
    scan_folder = folder.parent if layout else folder
    processed = sorted(scan_folder.glob(f"*{PROCESSED}"))
    process_file = processed[0] if len(processed) == 1 else None
    return Candidate(folder, Form.TIFF_SEQUENCE, scan_folder.name, process_file)


def _scan_folder(path: Path, roots: Roots) -> list[Candidate]:
    """A scan's own folder, in Savu's or httomo's layout."""
    processed = sorted(path.glob(f"*{PROCESSED}"))
    if len(processed) == 1:
        return _of_process_file(processed[0], roots)
    if savu := savu_folders(path):
        return [Candidate(folder, Form.TIFF_SEQUENCE, path.name) for folder in savu]
    httomo = _httomo_folders(path)
    if httomo:
        return [_sequence(httomo[0])]
    if processed:
        several = ", ".join(below.name for below in processed[:4])
        raise Refused(Reason.AMBIGUOUS, f"{path} holds several stacks: {several}")
    raise NotYet(Refused(Reason.NO_STACK, f"{path} holds no images"))


def _folder_of_file(path: Path, roots: Roots) -> str:
    return path.stem if path.parent in roots.roots else path.parent.name


def survey(candidate: Candidate) -> Survey:
    """A cheap look.

    Raises:
        NotYet: it is gone.
        StoreAway
    """
    try:
        if candidate.form is Form.TIFF_SEQUENCE:
            return tiff.survey_folder(candidate.path)
        if candidate.form is Form.ZARR:
            return zarr.survey(candidate.path)
        return tiff.survey_file(candidate.path)
    except OSError as error:
        if isinstance(away := passing_fault(error, candidate.path), StoreAway):
            raise away from error
        fault = Refused(Reason.NO_SUCH_PATH, f"{candidate.path}: {error.strerror}")
        raise NotYet(fault) from error


def inspect(candidate: Candidate, roots: Roots) -> Stack:
    """The full look: every file there, readable, whole, and like the others.

    Raises:
        Refused, StoreAway
    """
    try:
        match candidate.form:
            case Form.TIFF_SEQUENCE:
                return tiff.inspect_folder(candidate.path)
            case Form.TIFF_FILE:
                return tiff.inspect_file(candidate.path)
            case Form.HDF5:
                return hdf5.inspect(candidate.path, roots.locate)
            case Form.ZARR:
                return zarr.inspect(candidate.path)
    except OSError as error:
        if passing := passing_fault(error, candidate.path):
            raise passing from error
        raise Refused(Reason.UNREADABLE, f"{candidate.path}: {error}") from error
