"""One Tiled for most tests, with the key that the worker gives to its jobs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.segmentation.jobs import Lab, Painted, paint, run
from tests.support.platform import Platform, local_platform


def lab_of(platform: Platform, folder: Path) -> Lab:
    folder.mkdir(exist_ok=True)
    key = Path(platform.environment("worker")["TOMOBEAM_TILED_API_KEY_FILE"]).read_text().strip()
    return Lab(platform.url("tiled"), key, folder)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with local_platform(tmp_path_factory.mktemp("platform"), ["tiled"]) as platform:
        yield platform


@pytest.fixture(scope="session")
def lab(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return lab_of(platform, tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="session")
def painted(lab: Lab) -> Painted:
    return paint(lab)


@pytest.fixture(scope="session")
def models(lab: Lab, painted: Painted) -> dict[str, str]:
    """A trained model of each algorithm, trained in this process: uid by algorithm."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    found = {}
    for algorithm in ("random-forest", "gradient-boosting"):
        found[algorithm] = f"model-{algorithm}"
        params = lab.params(
            painted.image_path,
            uid_save=found[algorithm],
            mask_tiled_uri=lab.uri(painted.mask_path),
        )
        assert run("train", algorithm, params, "test") == 0
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGINT, before[1])
    return found


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A job run in this process takes the signals; give them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
