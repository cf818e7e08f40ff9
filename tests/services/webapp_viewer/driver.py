"""What a scientist does with the panels, done to a real browser."""

from __future__ import annotations

import contextlib
from typing import Any, Self

from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.support.waiting import wait_for
from tests.support.webapp_harness import Harness

APP = "window.tomobeamViewer.app"
Point = tuple[int, int]


class Page:
    def __init__(self, browser: Chrome, harness: Harness) -> None:
        self.browser = browser
        self.harness = harness

    def open(self, query: str = "") -> Self:
        self.browser.get(self.harness.url + query)
        self.ready()
        return self

    def ready(self) -> None:
        wait_for(
            lambda: self.script("return Boolean(window.tomobeamViewer?.app?.canDraw())"),
            "the first slice",
            90,
        )

    def script(self, code: str, *values: Any) -> Any:
        return self.browser.execute_script(code, *values)

    def app(self, expression: str) -> Any:
        return self.script(f"const app = {APP}; return {expression};")

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element("css selector", selector)

    def named(self, name: str) -> WebElement:
        """The control of that accessible name."""
        return self.find(f'[aria-label="{name}"]')

    def click(self, name: str) -> None:
        self.named(name).click()

    def tool(self, name: str) -> None:
        self.find(f"[data-tool={name}]").click()

    def drag(self, *points: Point) -> None:
        """Press at the first point of the stage (from its middle), move on, release."""
        stage = self.find(".tb-stage")
        moves = ActionChains(self.browser, duration=20)
        moves.move_to_element_with_offset(stage, *points[0]).click_and_hold()
        for point in points[1:]:
            moves.move_to_element_with_offset(stage, *point)
        moves.release().perform()

    def keys(self, *keys: str, control: bool = False) -> None:
        moves = ActionChains(self.browser)
        if control:
            moves.key_down(Keys.CONTROL)
        moves.send_keys(*keys)
        if control:
            moves.key_up(Keys.CONTROL)
        moves.perform()

    def slice(self) -> int:
        return (
            wait_for(
                lambda: self.app("app.shownZ === app.z ? app.z + 1 : 0"), "the slice asked for"
            )
            - 1
        )

    def go_to(self, z: int) -> None:
        self.script(f"{APP}.setZ(arguments[0])", z)
        assert self.slice() == z

    def items(self) -> list[dict[str, Any]]:
        return self.app("[...app.drawing.items.values()].sort((a, b) => a.seq - b.seq)")

    def saved(self) -> None:
        wait_for(
            lambda: (
                self.find("[data-saved]").get_attribute("data-saved") == "yes"
                and not self.app("app.drawing.saving")
            ),
            "annotations saved",
        )

    def labelled(self, value: int) -> int:
        """How many pixels on screen show the class of that place (1 = first)."""
        return self.app(f"app.view.labels.reduce((n, v) => n + (v === {value}), 0)")

    def sentences(self) -> list[str]:
        return self.script(
            "return [...window.tomobeamViewer.messages.values()].map(m => m.sentence)"
        )

    def says(self, part: str, limit_s: float = 30) -> None:
        wait_for(
            lambda: any(part in sentence for sentence in self.sentences()), f"{part!r}", limit_s
        )

    def quiet_about(self, part: str, limit_s: float = 60) -> None:
        wait_for(
            lambda: not any(part in sentence for sentence in self.sentences()),
            f"{part!r} gone",
            limit_s,
        )

    def accept_leaving(self) -> None:
        """Answer the browser's question whether to leave with unsaved work."""
        with contextlib.suppress(NoAlertPresentException):
            self.browser.switch_to.alert.accept()

    def faults(self) -> list[str]:
        """What the browser logged as errors of our scripts."""
        return [
            entry["message"]
            for entry in self.browser.get_log("browser")
            if entry["level"] == "SEVERE" and "Failed to load resource" not in entry["message"]
        ]
