"""Projections and arguments that cannot be used: one sentence and exit code 2."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.support.hdf5 import opened
from tests.unit.reconstruction.scans import Scan
from tomobeam_reconstruction.cli import app

ENTRY = "/entry1/tomo_entry"
DATA = f"{ENTRY}/instrument/detector/data"
KEYS = f"{ENTRY}/instrument/detector/image_key"
ANGLES = f"{ENTRY}/sample/rotation_angle"
Spoil = Callable[[Any], None]


def without(key: int, instead: int = 3) -> Spoil:
    def spoil(file: Any) -> None:
        keys = file[KEYS][()]
        file[KEYS][()] = np.where(keys == key, instead, keys)

    return spoil


def replaced(path: str, change: Callable[[np.ndarray], object]) -> Spoil:
    def spoil(file: Any) -> None:
        value = change(file[path][()])
        alias = f"{ENTRY}/data/{path.rsplit('/', 1)[1]}"
        del file[path], file[alias]
        if value is not None:
            file[path] = value

    return spoil


def holed(frames: np.ndarray) -> np.ndarray:
    spoilt = frames.astype(np.float32)
    spoilt[40, 5, 7] = np.nan
    return spoilt


def dim(frames: np.ndarray) -> np.ndarray:
    spoilt = frames.copy()
    spoilt[5:10] = spoilt[-10:-5] = 0
    return spoilt


def no_definition(file: Any) -> None:
    del file[f"{ENTRY}/definition"]


STRUCTURE = [
    ("no-flats", without(1), f"{DATA} has no flat frames (image_key 1)"),
    ("no-darks", without(2), f"{DATA} has no dark frames (image_key 2)"),
    ("no-projections", without(0), f"{DATA} has 0 projections (image_key 0)"),
    (
        "nan",
        replaced(DATA, holed),
        f"{DATA} has a value that is not a number at image 40, row 5, column 7",
    ),
    (
        "flat-image",
        replaced(DATA, lambda d: d[0]),
        f"{DATA} has shape (8, 96), not (images, rows, columns)",
    ),
    ("dark-flats", replaced(DATA, dim), "has flat frames that are nowhere brighter than the dark"),
    ("text", replaced(DATA, lambda d: d.astype("S5")), f"{DATA} holds |S5, not numbers"),
    ("no-data", replaced(DATA, lambda d: None), f"there is no {DATA} or {ENTRY}/data/data"),
    (
        "no-angles",
        replaced(ANGLES, lambda a: None),
        f"there is no {ANGLES} or {ENTRY}/data/rotation_angle: the rotation angles",
    ),
    (
        "few-angles",
        replaced(ANGLES, lambda a: a[:-4]),
        f"{ANGLES} has shape (137,) where (141,) belong to the images",
    ),
    (
        "nan-angle",
        replaced(ANGLES, lambda a: np.where(a == a[30], np.nan, a)),
        f"{ANGLES} has a value that is not a number",
    ),
    ("no-keys", replaced(KEYS, lambda k: None), f"there is no {KEYS}"),
    ("not-nxtomo", no_definition, "no group has a dataset 'definition' that says NXtomo"),
    (
        "quarter-turn",
        replaced(ANGLES, lambda a: a / 2),
        "the projections cover 90.0°, and finding the centre takes 180°; give it with --centre",
    ),
]


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    ("spoil", "sentence"), [f[1:] for f in STRUCTURE], ids=[f[0] for f in STRUCTURE]
)
def test_spoilt_structure(spoil: Spoil, sentence: str, scan: Scan, tmp_path: Path) -> None:
    path = tmp_path / "spoilt.nxs"
    shutil.copyfile(scan.projections, path)
    with opened(path, "r+") as file:
        spoil(file)
    code, said = run(path, tmp_path / "out")
    assert code == 2, said
    assert sentence in said
    if "--centre" not in sentence:
        assert said.startswith(f"{path}: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def truncated(path: Path, scan: Scan) -> None:
    whole = scan.projections.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


FILES: list[tuple[str, Callable[[Path, Scan], object], str]] = [
    ("missing", lambda path, scan: None, "there is no such file"),
    ("folder", lambda path, scan: path.mkdir(), "is not a file"),
    ("empty", lambda path, scan: path.touch(), "is not an HDF5 file"),
    ("text", lambda path, scan: path.write_text("no"), "is not an HDF5 file"),
    ("truncated", truncated, "cannot be opened, truncated or damaged"),
]


@pytest.mark.parametrize(("make", "sentence"), [f[1:] for f in FILES], ids=[f[0] for f in FILES])
def test_spoilt_file(
    make: Callable[[Path, Scan], object], sentence: str, scan: Scan, tmp_path: Path
) -> None:
    path = tmp_path / "spoilt.nxs"
    make(path, scan)
    code, said = run(path, tmp_path / "out")
    assert code == 2
    assert said.startswith(f"{path}: {sentence}")
    assert said.count("\n") == 1


def test_damage_in_the_middle(scan: Scan, tmp_path: Path) -> None:
    path = tmp_path / "spoilt.nxs"
    shutil.copyfile(scan.projections, path)
    with opened(path, "r+") as file:
        frames = file[DATA][()]
        del file[DATA], file[f"{ENTRY}/data/data"]
        packed = file.create_dataset(DATA, data=frames, chunks=(1, 8, 96), compression="gzip")
        where = packed.id.get_chunk_info(60)
    with path.open("r+b") as file:
        file.seek(where.byte_offset)
        file.write(b"\xff" * where.size)
    code, said = run(path, tmp_path / "out")
    assert code == 2
    assert said.startswith(f"{path}: {DATA} cannot be read, truncated or damaged")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--centre", "left"), "--centre: 'left' is neither auto nor a number"),
        (("--centre", "2000"), "centre: 2000 is not a column of"),
        (("--name", "a/b"), "name: 'a/b' may hold letters, digits"),
        (("--memory-mib", "1", "--workers", "64"), "memory: 1 MiB are too few"),
        (("--rings", "magic"), "'magic' is not one of"),
    ],
)
def test_wrong_arguments(
    arguments: tuple[str, ...], sentence: str, scan: Scan, tmp_path: Path
) -> None:
    code, said = run(scan.projections, tmp_path / "out", *arguments)
    assert code == 2
    assert sentence in said


def test_a_wrong_setting_is_named(
    scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOMOBEAM_RECONSTRUCTION_MEMORY_MIB", "much")
    code, said = run(scan.projections, tmp_path)
    assert code == 2
    assert said.startswith("TOMOBEAM_RECONSTRUCTION_MEMORY_MIB: ")
