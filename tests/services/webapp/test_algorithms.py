"""The form of the algorithm that is chosen."""

from __future__ import annotations

import pytest

from tests.services.webapp.page import Page

pytestmark = pytest.mark.browser


def test_what_is_made_for_a_gpu_is_marked(page: Page) -> None:
    page.wait_text("#algorithm-about", "many decision trees that vote")
    assert "GPU" not in page.text("#algorithm-about")
    page.click("#algorithm")
    page.click("[role=option]", "dlsia-tunet (GPU)")
    page.wait_text("#algorithm-about", "Made for a GPU, and uses one where jobs get one here.")
    assert page.find("#algorithm")[0].get_attribute("value") == "dlsia-tunet (GPU)"
    page.click("#algorithm-form button", "Run")
    page.wait_text("#algorithm-form", "Where it computes")
    assert page.problems() == []
