"""Jobs as the page shows them: failed, waiting, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from tests.services.webapp.page import Page
from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_contracts.registry import Registry
from tomobeam_webapp.jobs import launch
from tomobeam_webapp.jobs.prefect_api import PrefectApi
from tomobeam_webapp.settings import WebSettings

pytestmark = pytest.mark.browser


@pytest.fixture
def start(platform: Platform) -> Iterator[Callable[[str], str]]:
    """Start a training of an image on a mask that is not there; gives the run's id."""
    settings = WebSettings.load(
        tiled_url=platform.url("tiled"),
        tiled_api_key=platform.secret("tiled-key-webapp"),
        prefect_api_url=platform.client_environment()["PREFECT_API_URL"],
        prefect_auth=platform.secret("prefect-auth"),
        registry=platform.environment("webapp")["TOMOBEAM_REGISTRY"],
        webapp_state=platform.environment("webapp")["TOMOBEAM_WEBAPP_STATE"],
        webapp_secret_key=platform.secret("webapp-secret-key"),
    )
    forest = Registry.read(settings.registry).find("random-forest")
    api = PrefectApi(settings)

    def start(image_path: str) -> str:
        target = launch.Target(settings.tiled_url, image_path, "masks/nobody/x/y", "alice")
        when = datetime.now().astimezone()
        request = launch.train(target, forest, {}, "no mask", when)
        return api.start(request.name, request.parameters, request.tags)["id"]

    yield start
    api.close()


def test_a_failure_is_a_sentence(
    page: Page, arrive: Callable[[str], str], start: Callable[[str], str]
) -> None:
    path = arrive("will_fail")
    page.wait_text(".scan-list", "will_fail")
    page.open_image("will_fail")
    start(path)
    page.wait_text(".job-list", "Failed", 90)
    page.wait_text(".job-list", "there is no /masks/nobody/x/y in Tiled")
    page.click(".job-list button", "Log")
    page.wait_text(".log", "there is no /masks/nobody/x/y in Tiled")


def test_a_waiting_job_is_cancelled(
    page: Page, platform: Platform, arrive: Callable[[str], str], start: Callable[[str], str]
) -> None:
    path = arrive("will_wait")
    page.wait_text(".scan-list", "will_wait")
    page.open_image("will_wait")
    platform.stop("worker")
    try:
        start(path)
        page.wait_text(".job-list", "Waiting", 60)
        page.click(".job-list button", "Cancel")
        page.click("#job-keep")
        wait_for(lambda: not page.text("#job-confirm-text"), "the closed window")
        page.click(".job-list button", "Cancel")
        page.click("#job-cancel")
        page.wait_text(".job-list", "Cancelled", 60)
    finally:
        platform.start("worker")


def test_all_mine_shows_the_jobs_of_every_image(
    page: Page, arrive: Callable[[str], str], start: Callable[[str], str]
) -> None:
    start(arrive("of_one_image"))
    arrive("of_another")
    page.wait_text(".scan-list", "of_another")
    page.open_image("of_another")
    page.wait_text(".job-list", "No jobs of this image yet.")
    page.browser.execute_script("document.getElementById('jobs-mine').click()")
    page.wait_text(".job-list", "of_one_image")
