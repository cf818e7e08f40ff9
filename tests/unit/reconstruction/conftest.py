"""One small scan of each kind, made once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.reconstruction.scans import Scan
from tomobeam_reconstruction.acquire import Acquisition
from tomobeam_reconstruction.scan_file import write_scan
from tomobeam_reconstruction.specimens import make_specimen
from tomobeam_reconstruction.truth import read_truth

SIZE, HEIGHT, ANGLES = 96, 8, 121


@pytest.fixture(scope="session")
def scan_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scan]:
    folder = tmp_path_factory.mktemp("scans")
    made: dict[str, Scan] = {}

    def scan(kind: str) -> Scan:
        if kind not in made:
            path = folder / f"{kind}.nxs"
            how = Acquisition(angles=ANGLES, bad_columns=3, centre_offset=2.25)
            truth = write_scan(path, make_specimen(kind, SIZE, HEIGHT, seed=3), how)
            made[kind] = Scan(path, read_truth(truth))
        return made[kind]

    return scan


@pytest.fixture
def scan(scan_of: Callable[[str], Scan]) -> Scan:
    return scan_of("beads")
