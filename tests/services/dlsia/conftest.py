"""Jobs of the networks, run by the command in the environment that has PyTorch."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.services.segmentation.conftest import lab_of
from tests.services.segmentation.jobs import Lab, Painted, finish, paint, start
from tests.support.platform import REPOSITORY, local_platform

BIN = REPOSITORY / ".venv-dlsia" / "bin"
COMMAND = BIN / "tomobeam-dlsia"
# One processor, so that a seed gives the same bits.
ONE = {"n_jobs": 1, "device": "cpu"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if not COMMAND.exists() and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="no .venv-dlsia here: make test-dlsia"))


@dataclass
class Job:
    """How a job ended."""

    code: int
    out: str
    err: str
    cpu_s: float


def run(step: str, algorithm: str, params: Path) -> Job:
    """Run a job to its end; its processor time is that of this process's children meanwhile."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, out, err = finish(start(step, algorithm, params, command=COMMAND), timeout_s=280)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Job(code, out, err, after.ru_utime - before.ru_utime)


begin = partial(start, command=COMMAND)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with local_platform(tmp_path_factory.mktemp("platform"), ["tiled"]) as platform:
        lab = lab_of(platform, tmp_path_factory.mktemp("lab"))
        lab.parameters = ONE
        yield lab


@pytest.fixture(scope="session")
def small(lab: Lab) -> Painted:
    """A stack of 4 slices of 64 × 64, of which two are painted."""
    return paint(lab, slices=4, size=64)


@pytest.fixture(scope="session")
def trained(lab: Lab, small: Painted) -> Callable[[str], Job]:
    """Trains `model-<algorithm>` by the form's defaults, once."""
    done: dict[str, Job] = {}

    def train(algorithm: str) -> Job:
        if algorithm not in done:
            params = lab.params(
                small.image_path,
                uid_save=f"model-{algorithm}",
                mask_tiled_uri=lab.uri(small.mask_path),
            )
            done[algorithm] = run("train", algorithm, params)
        return done[algorithm]

    return train


@pytest.fixture
def in_environment() -> Callable[[str], str]:
    """Runs a program by the Python that has PyTorch; returns what it printed."""

    def program(text: str) -> str:
        done = subprocess.run(
            [BIN / "python", "-c", text],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return program
