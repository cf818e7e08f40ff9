"""The page in a browser, by what a scientist sees."""

from __future__ import annotations

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.waiting import wait_for


class Page:
    """One browser at the page of `url`."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self.browser = browser
        self.url = url

    def sign_in(self, link: str) -> None:
        self.browser.get(link)
        self.browser.find_element(By.TAG_NAME, "button").click()
        wait_for(lambda: self.find("#page"), "the page")

    def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def find(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What is read there now; empty while it is being drawn anew."""
        try:
            return "\n".join(element.text for element in self.find(selector))
        except StaleElementReferenceException:
            return ""

    def wait_text(self, selector: str, words: str, limit_s: float = 60) -> str:
        try:
            wait_for(lambda: words in self.text(selector), words, limit_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; {selector} reads: {self.text(selector)!r}") from error
        return self.text(selector)

    def click(self, selector: str, words: str = "") -> None:
        """Click the first element there that shows or is titled `words`."""

        def clicked() -> bool:
            try:
                for element in self.find(selector):
                    named = f"{element.text} {element.get_attribute('title')}"
                    if words in named and element.is_displayed() and element.is_enabled():
                        self.browser.execute_script(
                            "arguments[0].scrollIntoView({block: 'center'})", element
                        )
                        element.click()
                        return True
            except StaleElementReferenceException:
                pass
            return False

        wait_for(clicked, f"{selector} {words}".strip())

    def open_image(self, title: str) -> None:
        self.click(".scan", title)
        self.wait_text("#image-title", title)
        wait_for(lambda: self.find(".picture canvas"), "the picture")
        # The tools are enabled when the annotations of the image are there.
        wait_for(lambda: self.find("#annotation-panel input[type=radio]"), "the classes")

    def paint(self, x: int, y: int, dx: int, dy: int) -> None:
        """A stroke from (x, y), measured from the middle of the picture."""
        canvas = self.find(".picture canvas")[0]
        steps = ActionChains(self.browser).move_to_element_with_offset(canvas, x, y)
        steps.click_and_hold().move_by_offset(dx, dy).move_by_offset(3, 3).release().perform()

    def problems(self) -> list[str]:
        """What the browser complained of."""
        return [
            entry["message"]
            for entry in self.browser.get_log("browser")
            if entry["level"] == "SEVERE"
        ]

    def overlapping(self) -> list[str]:
        """Pairs of the page's main parts that lie over each other, and parts out of sight."""
        script = """
            const parts = ['#page > header', '#page > main > nav', '.picture', '.work', '.jobs'];
            const boxes = parts.map(s => document.querySelector(s).getBoundingClientRect());
            const found = [];
            boxes.forEach((a, i) => {
              if (a.right > innerWidth + 1 || a.bottom > innerHeight + 1 || a.width < 100 ||
                  a.height < 40) found.push(parts[i] + ' is out of sight');
              boxes.forEach((b, j) => {
                if (i < j && a.left < b.right - 1 && b.left < a.right - 1 &&
                    a.top < b.bottom - 1 && b.top < a.bottom - 1)
                  found.push(parts[i] + ' over ' + parts[j]);
              });
            });
            return found;"""
        return self.browser.execute_script(script)
