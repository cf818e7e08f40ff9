"""Programs that know nothing of this repository but the wires, with what `make -s env` prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.registry import Registry

HERE = Path(__file__).parent


def run_stranger(platform: Platform, folder: Path, program: str, *arguments: str) -> str:
    """Run a program with `make -s env` and nothing else of ours in its environment."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PREFECT_HOME": str(folder / "prefect"),
        **platform.client_environment(),
    }
    done = subprocess.run(
        [sys.executable, str(HERE / program), *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_strangers_scan_arrives_and_its_flow_run_gives_a_result(
    platform: Platform, tmp_path: Path
) -> None:
    bin_folder = Path(sys.executable).parent
    store = platform.site.data.filestore
    projections = tmp_path / "beads.h5"
    small = ("--size", "64", "--height", "8", "--angles", "90")
    subprocess.run([bin_folder / "tomobeam-specimen", "beads", projections, *small], check=True)
    subprocess.run([bin_folder / "tomobeam-reconstruct", projections, store], check=True)
    (process_file,) = store.glob("*_beads/*_processed.nxs")
    scan = process_file.parent.name

    run_stranger(platform, tmp_path, "stranger_producer.py", str(process_file))
    environment = platform.client_environment()
    key = SecretStr(environment["TILED_API_KEY"])
    with TiledClient(environment["TOMOBEAM_TILED_URL"], key) as tiled:
        node = wait_for(lambda: tiled.node(f"recons/{scan}"), "the scan in Tiled", 120)
    assert node.shape == (8, 64, 64)

    algorithm = Registry.read(platform.site.registry).contents[0].model_name
    answer = run_stranger(platform, tmp_path, "stranger_client.py", scan, algorithm)
    outcome = json.loads(answer.splitlines()[-1])
    assert outcome["state"] == "Completed", outcome
    # The mask is given at inference too: only the annotated slices are segmented.
    assert list(outcome["results"].values()) == [[2, 64, 64]]
