"""The whole platform, and both halves of the canary as its hosts run them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platform import Platform, local_platform
from tomobeam_contracts.canary import HopReport

PROGRAM = Path(sys.executable).with_name("tomobeam-canary")


class Canary:
    """Runs the halves against a platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def send(self, **settings: str) -> tuple[int, list[HopReport]]:
        """On a reconstruction host."""
        client = self.platform.client_environment()
        environment = {
            "HOME": str(self.platform.data),
            **{key: value for key, value in client.items() if key.startswith("TOMOBEAM_BROKER_")},
            "TOMOBEAM_CANARY_STORE": str(self.platform.site.data.filestore),
            "TOMOBEAM_NOTIFY_TRIES": "1",
        }
        return self._run(environment, settings, "send")

    def follow(self, scan: str, **settings: str) -> tuple[int, list[HopReport]]:
        """On the web host."""
        return self._run(self.platform.environment("webapp"), settings, "follow", scan)

    @staticmethod
    def _run(
        environment: dict[str, str], settings: dict[str, str], *words: str
    ) -> tuple[int, list[HopReport]]:
        done = subprocess.run(
            [PROGRAM, *words],
            env=environment | {f"TOMOBEAM_{name}": value for name, value in settings.items()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        reports = [HopReport.receive_json(line) for line in done.stdout.splitlines()]
        if reports and reports[-1].fault:
            assert reports[-1].fault in done.stderr
        return done.returncode, reports


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with local_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="session")
def canary(platform: Platform) -> Canary:
    return Canary(platform)
