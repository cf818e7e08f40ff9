"""The page under gunicorn before real servers, and a browser that is signed in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from tests.services.webapp.page import Page
from tests.support.browser import chromium
from tests.support.platform import REPOSITORY, Platform, local_platform
from tests.support.specimens import textured_stack
from tests.support.stacks import add_recon
from tomobeam_common.tiled import TiledClient

SERVICES = ("tiled", "prefect-server", "worker", "webapp")
COMMAND = Path(sys.executable).with_name("tomobeam-webapp")
USER, PASSWORD = "alice", "correct horse battery"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    every = {"registry": REPOSITORY / "services/registry.json"}
    folder = tmp_path_factory.mktemp("page")
    with local_platform(folder, SERVICES, lambda site: site.model_copy(update=every)) as platform:
        command(platform, "user", "add", USER, typed=PASSWORD + "\n")
        yield platform


def command(platform: Platform, *words: str, typed: str = "") -> str:
    """Run the operator's command in the page's own environment."""
    done = subprocess.run(
        [COMMAND, *words], input=typed, env=platform.environment("webapp"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture(scope="session")
def tiled(platform: Platform) -> Iterator[TiledClient]:
    key = SecretStr(platform.secret("tiled-key-webapp"))
    with TiledClient(platform.url("tiled"), key) as client:
        yield client


@pytest.fixture(scope="session")
def stack() -> np.ndarray:
    image, _ = textured_stack(4, 128)
    return image


@pytest.fixture
def arrive(tiled: TiledClient, stack: np.ndarray) -> Callable[[str], str]:
    """A scan arrives in Tiled under this key."""
    return lambda key: add_recon(tiled, key, stack, proposal="cm2026-1")


@pytest.fixture
def page(platform: Platform, tmp_path: Path) -> Iterator[Page]:
    """Signed in by a one-time link, at the smallest size that is promised."""
    with signed_in(platform, tmp_path) as page:
        yield page


@contextmanager
def signed_in(platform: Platform, folder: Path) -> Iterator[Page]:
    """A browser at the page of `platform`."""
    with chromium(folder / "profile") as browser:
        page = Page(browser, platform.url("webapp"))
        page.size(1366, 768)
        page.sign_in(command(platform, "login-link", USER))
        yield page
