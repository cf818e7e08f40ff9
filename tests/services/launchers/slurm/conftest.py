"""One Slurm for all tests here; none leaves a job to the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.launchers.slurm.tried import Tried, tried_slurm
from tests.support.slurm import missing


# The folder's __init__.py makes cluster and environment end with these tests, not with the session.
@pytest.fixture(scope="package")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    if reason := missing():
        pytest.skip(reason)
    with tried_slurm(tmp_path_factory.mktemp("slurm")) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_job_is_left(tried: Tried) -> Iterator[None]:
    yield
    tried.cluster.end_jobs()
