"""Tiled and Prefect behind front doors that end TLS, as at a beamline; Prefect under a prefix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.platform import Platform, free_ports, local_platform
from tests.support.processes import running
from tests.support.tls import Authority, FrontDoor

PREFIX = "/prefect"


@dataclass(frozen=True)
class Beamline:
    """How its services are reached, and by which CA they are known."""

    platform: Platform
    ca: Path
    tiled_url: str
    prefect_api_url: str

    def environment(self, name: str, **changes: str) -> dict[str, str]:
        """That of a service which reaches the others over TLS."""
        return self.platform.environment(name) | {
            "SSL_CERT_FILE": str(self.ca),
            "TOMOBEAM_TILED_URL": self.tiled_url,
            "TOMOBEAM_PREFECT_API_URL": self.prefect_api_url,
            **changes,
        }


@pytest.fixture(scope="session")
def beamline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beamline]:
    folder = tmp_path_factory.mktemp("beamline")
    authority = Authority(folder / "pki")
    pair = authority.issue("localhost")
    with local_platform(folder / "site", ["tiled"]) as platform:
        port = free_ports(["prefect"])["prefect"]
        url = f"http://127.0.0.1:{port}{PREFIX}/api"
        process = platform.local.layout.processes()["prefect-server"]
        environment = platform.environment("prefect-server") | {
            "PREFECT_API_URL": url,
            "PREFECT_SERVER_API_BASE_PATH": f"{PREFIX}/api",
            "PREFECT_SERVER_UI_SERVE_BASE": PREFIX,
        }
        argv = (*process.argv[:-1], str(port))
        with (
            running(argv, environment, folder / "prefect.log", f"{url}/health"),
            FrontDoor(pair, platform.port("tiled")) as tiled,
            FrontDoor(pair, port) as prefect,
        ):
            yield Beamline(
                platform,
                authority.ca,
                f"https://localhost:{tiled.port}",
                f"https://localhost:{prefect.port}{PREFIX}/api",
            )
