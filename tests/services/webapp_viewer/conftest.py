from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from selenium.webdriver import Chrome

from tests.services.webapp_viewer.driver import Page
from tests.support.browser import chromium
from tests.support.platform import Platform, local_platform
from tests.support.specimens import textured_stack
from tests.support.webapp_harness import Harness
from tomobeam_common.tiled import TiledClient

SHAPE = (12, 300, 340)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with local_platform(tmp_path_factory.mktemp("platform"), ["tiled"]) as running:
        yield running


@pytest.fixture(scope="module")
def tiled(platform: Platform) -> Iterator[TiledClient]:
    """With the page's own key: what it may not do must not be needed."""
    key = SecretStr(platform.secret("tiled-key-webapp"))
    with TiledClient(platform.site.tiled_url, key) as client:
        for folder in ("recons", "masks", "results"):
            client.ensure_container(folder)
        image, truth = textured_stack(SHAPE[0], 340)
        store(client, "recons/beads", image[:, : SHAPE[1]], {"scan": "beads", "pixel_size": 1.5})
        store(client, "recons/other", image[:4, :200, :220] * 2, {"scan": "other"})
        client.ensure_container("results/run1")
        store(client, "results/run1/seg_result", truth[[2, 5], : SHAPE[1]], {})
        yield client


def store(client: TiledClient, path: str, data: np.ndarray, metadata: dict[str, Any]) -> None:
    chunks = [[1] * data.shape[0], [data.shape[1]], [data.shape[2]]]
    client.create_array(path, data.shape, data.dtype, chunks, metadata)
    for z, plane in enumerate(data):
        client.write_block(path, (z, 0, 0), plane[None])


def image_of(key: str, shape: tuple[int, ...], version: str = "1") -> dict[str, Any]:
    return {
        "path": f"recons/{key}",
        "uri": "",
        "title": key,
        "shape": list(shape),
        "dtype": "float32",
        "version": version,
    }


OVERLAY = {
    "path": "results/run1/seg_result",
    "mask_idx": [2, 5],
    "classes": [
        {"name": "pore", "color": "#ff0000"},
        {"name": "grain", "color": "#00ff00"},
        {"name": "fibre", "color": "#0000ff"},
    ],
    "opacity": 0.5,
    "visible": True,
    "version": "1",
}


@pytest.fixture
def harness(platform: Platform, tiled: TiledClient, tmp_path: Path) -> Iterator[Harness]:
    key = platform.secret("tiled-key-webapp")
    image = image_of("beads", SHAPE)
    with Harness(platform.site.tiled_url, key, tmp_path / "state", image, OVERLAY) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def page(harness: Harness, browser: Chrome) -> Iterator[Page]:
    """The page of this test alone: its own port, so nothing is left from another's."""
    browser.get_log("browser")
    yield Page(browser, harness).open()
    for tab in browser.window_handles[1:]:
        browser.switch_to.window(tab)
        browser.close()
    browser.switch_to.window(browser.window_handles[0])
    browser.get("about:blank")


@pytest.fixture
def another(harness: Harness) -> Callable[[Any], Any]:
    """Open the same page in a second tab of the same browser."""

    def opened(page: Any) -> Any:
        page.browser.switch_to.new_window("tab")
        return page.open()

    return opened
