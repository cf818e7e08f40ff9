"""The panels in a real browser, in front of a real Tiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Keys

from tests.services.webapp_viewer.driver import Page
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient
from tomobeam_contracts.tree import MaskMetadata, annotation_digest
from tomobeam_webapp.annotate.model import Item
from tomobeam_webapp.annotate.rasterise import rasterise

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def draw_one_of_each(page: Page) -> None:
    page.tool("freeform")
    page.drag((-80, -60), (-20, -100), (30, -40), (-10, 20), (-60, 0))
    page.tool("rectangle")
    page.drag((40, 40), (110, 90))
    page.find('[data-class="Class 2"] input[type=radio]').click()
    page.tool("circle")
    page.drag((-100, 80), (-70, 80))
    page.tool("brush")
    page.drag((60, -80), (90, -50), (120, -80))
    page.tool("erase")
    page.drag((50, 60), (80, 60))


def masks_of(tiled: TiledClient) -> list[str]:
    if tiled.node("masks/alice/recons/beads") is None:
        return []
    return [node.key for node in tiled.children("masks/alice/recons/beads")]


def test_draw_save_and_find_the_same_mask_in_tiled(page: Page, tiled: TiledClient) -> None:
    page.go_to(10)
    draw_one_of_each(page)
    page.go_to(2)
    page.tool("rectangle")
    page.drag((-60, -60), (0, 0))
    page.saved()
    seen = {}
    for z in (2, 10):
        page.go_to(z)
        seen[z] = np.array(page.app("Array.from(app.view.labels)"), np.int8).reshape(300, 340) - 1
    assert page.labelled(1) > 0
    page.find("[data-action=save-mask]").click()
    page.says("Mask saved: 2 slices")
    mask = page.app("app.drawing.mask")
    container, array = tiled.node(mask["path"]), tiled.node(f"{mask['path']}/mask")
    assert container is not None
    assert array is not None
    metadata = MaskMetadata.receive(container.metadata)
    assert metadata.mask_idx == [2, 10] == mask["mask_idx"]
    assert metadata.image_shape == (12, 300, 340)
    assert metadata.data_uri == f"{tiled.url}/api/v1/metadata/recons/beads"
    assert [c.name for c in metadata.classes] == ["Class 1", "Class 2"]
    assert container.key == annotation_digest(metadata.annotations, metadata.classes)
    stored = tiled.read(array)
    assert stored.dtype == np.int8
    np.testing.assert_array_equal(stored, np.stack([seen[2], seen[10]]))
    assert set(np.unique(stored)) == {-1, 0, 1}
    before = masks_of(tiled)
    page.find("[data-action=save-mask]").click()
    wait_for(lambda: not page.app("app.saving"), "saved again")
    assert masks_of(tiled) == before
    assert "Changed since" not in page.find(".tb-mask").text
    page.drag((20, 20), (60, 60))
    page.saved()
    assert "Changed since the mask was saved" in page.find(".tb-mask").text
    assert page.faults() == []


def test_a_half_written_mask_is_completed(page: Page, tiled: TiledClient) -> None:
    page.tool("circle")
    page.drag((0, 0), (33, 0))
    page.saved()
    page.find("[data-action=save-mask]").click()
    page.says("Mask saved")
    path = page.app("app.drawing.mask.path")
    whole = tiled.read(tiled.node(f"{path}/mask"))  # pyright: ignore[reportArgumentType]
    # As a page killed between the first block and the metadata leaves it.
    tiled.write_block(f"{path}/mask", (0, 0, 0), np.zeros_like(whole[:1]))
    tiled.replace_metadata(path, {})
    page.find("[data-action=save-mask]").click()
    wait_for(lambda: tiled.node(path).metadata.get("mask_idx"), "metadata")  # pyright: ignore
    np.testing.assert_array_equal(tiled.read(tiled.node(f"{path}/mask")), whole)  # pyright: ignore


def test_browser_and_server_rasterise_alike(page: Page) -> None:
    rng = np.random.default_rng(3)
    shape = (90, 110)
    for kind in ("freeform", "rectangle", "circle", "brush"):
        for step in (1, 8, 16):
            count = {"rectangle": 2, "circle": 1}.get(kind, int(rng.integers(1, 30)))
            points = (rng.integers(-40, 130, 2 * count) * 16 // step * step).tolist()
            if step == 1:
                points = [p + int(rng.integers(0, 16)) for p in points]
            body = {"id": "i", "z": 0, "seq": 0, "kind": kind, "cls": "a", "points": points}
            if kind in ("circle", "brush"):
                body["radius"] = int(rng.integers(4, 200))
            code = """const labels = new Uint8Array(arguments[1] * arguments[2]);
                tomobeamViewer.paint(labels, arguments[0], 1, arguments[2], arguments[1]);
                return Array.from(labels)"""
            seen = np.array(page.script(code, body, *shape), bool).reshape(shape)
            stored = rasterise([Item.model_validate(body)], {"a": 0}, shape) == 0
            np.testing.assert_array_equal(seen, stored, err_msg=json.dumps(body))


def test_undo_redo_move_delete_and_hide(page: Page) -> None:
    draw_one_of_each(page)
    assert [i["kind"] for i in page.items()] == [
        "freeform", "rectangle", "circle", "brush", "erase",
    ]  # fmt: skip
    full = page.labelled(1), page.labelled(2)
    page.keys("z", control=True)
    assert len(page.items()) == 4
    assert page.labelled(1) > full[0]
    page.keys("y", control=True)
    assert (page.labelled(1), page.labelled(2)) == full
    page.tool("select")
    page.drag((-100, 80), (-100, 40))
    circle = next(i for i in page.items() if i["kind"] == "circle")
    page.keys("z", control=True)
    before = next(i for i in page.items() if i["kind"] == "circle")
    assert before["points"][1] > circle["points"][1]
    assert before["points"][0] == circle["points"][0]
    page.click("Hide Class 2")
    assert page.labelled(2) == 0
    page.click("Show Class 2")
    assert page.labelled(2) == full[1]
    page.drag((-100, 80), (-100, 80))
    page.keys(Keys.DELETE)
    assert "circle" not in [i["kind"] for i in page.items()]
    page.saved()
    page.open()
    assert len(page.items()) == 4
    assert page.faults() == []


def test_classes_are_added_renamed_recoloured_and_removed(page: Page) -> None:
    page.tool("rectangle")
    page.drag((0, 0), (40, 40))
    page.click("Add a class")
    name = page.named("Name of class 3")
    name.click()
    name.send_keys(Keys.CONTROL, "a")
    name.send_keys(Keys.NULL, "Crack", Keys.ENTER)
    page.script(
        """const input = document.querySelector('[aria-label="Colour of Crack"]');
        const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
        value.set.call(input, "#123456");
        input.dispatchEvent(new Event("input", {bubbles: true}));
        input.dispatchEvent(new Event("change", {bubbles: true}));"""
    )
    wait_for(lambda: page.app("app.drawing.classes[2].color") == "#123456", "the new colour")
    page.click("Remove Class 1")
    page.click("Keep Class 1")
    assert len(page.items()) == 1
    page.click("Remove Class 1")
    page.click("Yes, remove Class 1")
    assert page.items() == []
    page.saved()
    page.open()
    assert page.app("app.drawing.classes.map(c => c.name)") == ["Class 2", "Crack"]


def test_keyboard_turns_slices(page: Page) -> None:
    page.go_to(0)
    page.find(".tb-stage").click()
    for key, z in [
        (Keys.ARROW_RIGHT, 1),
        (Keys.ARROW_UP, 2),
        (Keys.PAGE_UP, 11),
        (Keys.ARROW_DOWN, 10),
        (Keys.PAGE_DOWN, 0),
        (Keys.END, 11),
        (Keys.HOME, 0),
    ]:
        page.keys(key)
        assert page.slice() == z


def test_window_and_level_download_nothing(page: Page) -> None:
    page.go_to(4)
    wait_for(lambda: page.app("!app.view.loader.busy"), "rest")
    page.script("performance.clearResourceTimings()")
    before = page.app("app.window")
    page.tool("contrast")
    page.drag((0, 0), (60, 30))
    assert page.app("app.window") != before
    page.click("Fit brightness and contrast to this slice")
    page.click("Show the whole range of values")
    assert page.app("app.window") == [0, 65535]
    asked = page.script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in asked if f"/{page.slice()}/" in name and "/view/" in name] == []


def test_zoom_readout_and_values_in_real_units(page: Page, tiled: TiledClient) -> None:
    page.go_to(3)
    page.tool("pan")
    page.drag((-30, -20), (-30, -20))
    at = page.app("app.view.readout()")
    node = tiled.node("recons/beads")
    assert node is not None
    value = float(tiled.read(node, (3,))[at["y"], at["x"]])
    shown = page.app(f"app.real({at['raw']})")
    assert shown == pytest.approx(value, abs=2e-3 * 2e-3)
    fitted = page.app("app.view.pixelsPerPoint()")
    page.keys("x")
    assert page.app("app.view.pixelsPerPoint()") == 1
    page.keys("0")
    assert page.app("app.view.pixelsPerPoint()") == pytest.approx(fitted)


def test_the_result_lies_over_its_slices(page: Page, tiled: TiledClient) -> None:
    node = tiled.node("results/run1/seg_result")
    assert node is not None
    for plane, z in enumerate((2, 5)):
        page.go_to(z)
        wait_for(lambda: page.app("app.view.hasResult"), "the result")
        shown = np.array(page.app("Array.from(app.view.result)")).reshape(300, 340)
        np.testing.assert_array_equal(shown - 1, tiled.read(node, (plane,)))
    page.go_to(3)
    page.says("not segmented")
    assert not page.app("app.view.hasResult")


def test_without_webgl2_the_same_page_works(page: Page) -> None:
    page.open("?canvas=2d")
    assert page.app("app.view.renderer.quick") is False
    page.tool("rectangle")
    page.drag((0, 0), (40, 40))
    colours = page.script(
        """const c = document.querySelector('.tb-canvas');
        const d = c.getContext('2d').getImageData(c.width / 2 + 20, c.height / 2 + 20, 1, 1).data;
        return Array.from(d)"""
    )
    assert colours[0] > colours[2]
    assert page.faults() == []


def test_two_tabs_keep_the_work_of_both(page: Page, another: Callable[[Any], Any]) -> None:
    first = page.browser.current_window_handle
    another(page)
    page.tool("rectangle")
    page.drag((0, 0), (40, 40))
    page.saved()
    page.browser.switch_to.window(first)
    page.tool("circle")
    page.drag((-60, 0), (-40, 0))
    page.says("changed in another tab")
    page.saved()
    assert sorted(i["kind"] for i in page.items()) == ["circle", "rectangle"]
    page.open()
    assert len(page.items()) == 2


def test_images_keep_their_own_annotations(page: Page) -> None:
    switch = "window.tomobeamViewer.app.openImage(arguments[0])"
    beads = page.app("app.image")
    page.tool("rectangle")
    page.drag((0, 0), (40, 40))
    page.script(switch, {**beads, "path": "recons/other"})
    page.ready()
    assert page.items() == []
    page.tool("circle")
    page.drag((0, 0), (20, 0))
    page.script(switch, beads)
    page.ready()
    assert [i["kind"] for i in page.items()] == ["rectangle"]
    page.script(switch, {**beads, "path": "recons/other"})
    page.ready()
    assert [i["kind"] for i in page.items()] == ["circle"]
