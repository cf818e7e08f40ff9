"""What the scientist reads, and that nothing is lost, when a server behind the panels is away."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import httpx
import numpy as np
import pytest

from tests.services.webapp_viewer.conftest import SHAPE
from tests.services.webapp_viewer.driver import Page
from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tests.support.webapp_harness import ENDED, Harness
from tomobeam_common.tiled import TiledClient

pytestmark = [pytest.mark.timeout(600)]


@pytest.mark.browser
def test_the_pages_server_killed_while_drawing(page: Page, harness: Harness) -> None:
    page.tool("rectangle")
    page.drag((0, 0), (40, 40))
    page.saved()
    harness.stop()
    page.drag((-60, 0), (-20, 40))
    page.says("does not answer. Your work is kept")
    assert page.find("[data-saved]").get_attribute("data-saved") == "no"
    harness.start()
    page.saved()
    page.quiet_about("does not answer")
    page.open()
    assert len(page.items()) == 2


@pytest.mark.browser
def test_work_that_could_not_be_saved_survives_a_reload(page: Page, harness: Harness) -> None:
    harness.stop()
    page.tool("circle")
    page.drag((0, 0), (30, 0))
    page.says("does not answer")
    page.script("location.reload()")
    page.accept_leaving()
    harness.start()
    page.open()
    assert [i["kind"] for i in page.items()] == ["circle"]
    page.saved()
    page.script("localStorage.clear()")
    page.open()
    assert [i["kind"] for i in page.items()] == ["circle"]


@pytest.mark.browser
def test_an_ended_session_is_said_and_work_goes_on_after_it(page: Page) -> None:
    page.browser.add_cookie({"name": "who", "value": ENDED})
    page.tool("rectangle")
    page.drag((0, 0), (40, 40))
    page.says("Your session has ended. Sign in again.")
    assert str(page.find(".tb-message a").get_attribute("href")).endswith("/login")
    page.browser.delete_cookie("who")
    page.saved()
    page.quiet_about("Sign in again")


@pytest.mark.browser
def test_tiled_away_while_looking_and_saving(page: Page, platform: Platform) -> None:
    page.tool("rectangle")
    page.drag((0, 0), (40, 40))
    page.saved()
    platform.kill("tiled")
    try:
        page.find("[data-action=save-mask]").click()
        page.says("The image store (Tiled) does not answer; the mask is not saved.")
        page.script("window.tomobeamViewer.app.setZ(11)")
        page.says("The image store (Tiled) does not answer.")
    finally:
        platform.start("tiled")
    page.quiet_about("does not answer.", 120)
    assert page.slice() == 11
    page.find("[data-action=save-mask]").click()
    page.says("Mask saved: 1 slice.")


@pytest.fixture
def site(harness: Harness) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=harness.url) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/view/recons/gone/@1/info", 404, "not in the store"),
        ("/view/masks/alice/@1/info", 404, "not in the store"),
        ("/view/recons/../masks/@1/info", 404, None),
        ("/view/recons/beads/@1/99/0/0,0,10,10.u16", 404, "not in the store"),
        ("/view/recons/beads/@1/0/9/0,0,10,10.u16", 404, "not in the store"),
        ("/view/recons/beads/@1/0/0/0,0,0,10.u16", 400, "empty or too large"),
        ("/view/recons/beads/@1/0/0/0,0,9000,9000.u16", 400, "empty or too large"),
        ("/view/recons/beads/@1/0/0/9999,0,10,10.u16", 400, "outside"),
        ("/view/results/run1/seg_result/@1/labels/7", 404, "not in the store"),
        ("/view/recons/beads/@1/labels/0", 404, "not in the store"),
    ],
)
def test_wrong_requests_are_refused(
    site: httpx.Client, path: str, status: int, sentence: str | None
) -> None:
    answer = site.get(path)
    assert answer.status_code == status
    if sentence:
        assert sentence in answer.json()["error"]


def test_pixels_are_those_of_the_store(site: httpx.Client, tiled: TiledClient) -> None:
    info = site.get("/view/recons/beads/@1/info").json()
    node = tiled.node("recons/beads")
    assert node is not None
    raw = site.get("/view/recons/beads/@1/4/0/20,10,100,50.u16")
    assert "immutable" in raw.headers["cache-control"]
    assert raw.headers["cache-control"].startswith("private")
    view = np.frombuffer(raw.content, "<u2").reshape(50, 100)
    real = info["lo"] + view.astype(float) * (info["hi"] - info["lo"]) / 65535
    expected = tiled.read(node, (4,))[10:60, 20:120]
    np.testing.assert_allclose(real, expected, atol=(info["hi"] - info["lo"]) / 65535)
    eight = site.get("/view/recons/beads/@1/4/0/20,10,100,50.jpg?lo=10000&hi=40000")
    picture = cv2.imdecode(np.frombuffer(eight.content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    window = np.clip((view.astype(float) - 10000) / 30000 * 255, 0, 255)
    assert np.abs(picture - window).mean() < 6


def test_a_new_version_of_an_image_is_read_again(site: httpx.Client, tiled: TiledClient) -> None:
    first = site.get("/view/recons/other/@1/0/0/0,0,20,20.u16").content
    node = tiled.node("recons/other")
    assert node is not None
    tiled.write_block("recons/other", (0, 0, 0), np.zeros((1, 200, 220), node.dtype))
    assert site.get("/view/recons/other/@1/0/0/0,0,20,20.u16").content == first
    assert site.get("/view/recons/other/@2/0/0/0,0,20,20.u16").content != first


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"not json", 400, "annotations"),
        (b'{"base": 0, "tab": "t", "number": 0, "changes": []}', 400, "changes"),
        (b'{"base": 4, "tab": "t", "number": 0, "changes": [{"op": "delete", "id": "a"}]}', 409,
         "another tab"),
        (b'{"base": 0, "tab": "t", "number": 0, "changes": [{"op": "paint"}]}', 400, "op"),
    ],
)  # fmt: skip
def test_wrong_changes_are_refused_by_field(
    site: httpx.Client, body: bytes, status: int, part: str
) -> None:
    answer = site.post("/annotations/recons/beads", content=body)
    assert answer.status_code == status
    assert part in answer.json()["error"]


def test_nothing_drawn_and_slices_beyond_the_image_are_said(
    site: httpx.Client, harness: Harness
) -> None:
    save = "/annotations/recons/beads/save-mask"
    assert "Nothing is drawn" in site.post(save, json={"version": 0}).json()["error"]
    item = {"id": "a", "z": 40, "seq": 1, "kind": "rectangle", "cls": "c1", "points": [0, 0, 9, 9]}
    batch = {"base": 0, "tab": "t", "number": 0, "changes": [{"op": "put", "item": item}]}
    assert site.post("/annotations/recons/beads", json=batch).json() == {"version": 1}
    refused = site.post(save, json={"version": 1})
    assert refused.status_code == 422
    assert f"has only {SHAPE[0]} slices" in refused.json()["error"]
    assert site.post(save, json={"version": 0}).status_code == 409


def test_the_key_never_reaches_the_browser(
    site: httpx.Client, harness: Harness, platform: Platform
) -> None:
    key = platform.secret("tiled-key-webapp")
    for path in ("/", "/_dash-layout", "/_dash-dependencies", "/view/recons/beads/@1/info"):
        assert key not in site.get(path).text
    wait_for(lambda: harness.context.tiled.node("recons"), "tiled")
