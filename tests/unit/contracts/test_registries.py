from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.platform import REPOSITORY
from tomobeam_contracts.registries import join
from tomobeam_contracts.registry import Registry, RegistryError

PIXELS = REPOSITORY / "services/segmentation/src/tomobeam_segmentation/registry.json"
NETWORKS = REPOSITORY / "services/dlsia/src/tomobeam_dlsia/registry.json"


def test_the_algorithms_of_all_in_their_order():
    joined = join([PIXELS, NETWORKS])
    parts = [Registry.read(path).contents for path in (PIXELS, NETWORKS)]
    assert joined.contents == [*parts[0], *parts[1]]


def test_what_is_printed_is_a_registry_and_loses_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "tomobeam_contracts.registries", PIXELS, NETWORKS],
        capture_output=True,
        text=True,
        check=True,
    )
    given = [json.loads(path.read_text())["contents"] for path in (PIXELS, NETWORKS)]
    assert json.loads(done.stdout) == {"contents": given[0] + given[1]}


def test_two_of_one_name_are_refused():
    with pytest.raises(RegistryError, match=f"{PIXELS}: model_name 'random-forest' is in {PIXELS}"):
        join([PIXELS, PIXELS])


def test_a_missing_file_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tomobeam_contracts.registries", tmp_path / "none.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path / 'none.json'}: No such file or directory\n"
