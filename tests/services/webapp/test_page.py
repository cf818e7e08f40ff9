"""The page in a real browser, before a real Tiled, Prefect and worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.services.webapp.conftest import PASSWORD, USER, command
from tests.services.webapp.page import Page
from tests.services.webapp.recorder import Recorder
from tests.support.browser import chromium
from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_common.tiled import TiledClient

pytestmark = pytest.mark.browser
JOB_LIMIT_S = 180


def test_a_scan_appears_by_itself(page: Page, arrive: Callable[[str], str]) -> None:
    arrive("first_scan")
    page.wait_text(".scan-list", "first_scan", limit_s=20)
    page.wait_text(".scan-list", "4 slices, 128 × 128")
    page.open_image("first_scan")
    assert "image=recons/first_scan" in page.browser.current_url
    page.browser.refresh()
    page.wait_text("#image-title", "first_scan")


def test_mark_save_train_segment_look(page: Page, arrive: Callable[[str], str]) -> None:
    arrive("rock_7")
    page.open_image("rock_7")
    page.wait_text(".work", "No mask of this image is saved yet")
    page.wait_text(".work", "No result yet.")
    page.click("#annotation-panel button", "Brush")
    page.paint(-120, -100, 60, 20)
    page.find("#annotation-panel input[type=radio]")[1].click()
    page.paint(100, 120, 60, 10)
    page.click("#annotation-panel button", "Save mask")
    page.click("#train")
    page.wait_text(".job-list", "Training")
    page.wait_text(".job-list", "Done", JOB_LIMIT_S)
    page.click("#segment")
    page.wait_text(".job-list", "Segmentation")
    wait_for(lambda: page.text(".job-list").count("Done") == 2, "both jobs", JOB_LIMIT_S)
    wait_for(page.find("#result-choice")[0].is_displayed, "the result")
    page.click(".job-list button", "Log")
    page.wait_text(".log", "segmented")
    for width, height in ((1366, 768), (2560, 1440)):
        page.size(width, height)
        assert page.overlapping() == []
    assert page.problems() == []


def test_a_wrong_setting_is_marked_and_nothing_starts(
    page: Page, arrive: Callable[[str], str]
) -> None:
    arrive("wrong_setting")
    page.open_image("wrong_setting")
    page.click("#annotation-panel button", "Brush")
    page.paint(-120, -100, 60, 20)
    page.find("#annotation-panel input[type=radio]")[1].click()
    page.paint(100, 120, 60, 10)
    page.click("#annotation-panel button", "Save mask")
    page.click(".groups button", "Forest")
    field = wait_for(lambda: page.find("[id*='n_estimators'] input, input[id*='n_estimators']"), "")
    wait_for(field[0].is_displayed, "the field")
    page.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", field[0])
    field[0].send_keys("\b\b\b\b3\t")
    page.click("#train")
    page.wait_text(".work", "3 is not a whole number at least 10")
    page.wait_text(".job-list", "No jobs of this image yet.")
    field[0].send_keys("\b100\t")


@pytest.mark.parametrize(
    ("service", "words"),
    [("tiled", "The image store does not answer."), ("prefect-server", "The job service does not")],
)
def test_a_server_goes_and_comes(
    page: Page, platform: Platform, arrive: Callable[[str], str], service: str, words: str
) -> None:
    page.wait_text(".states", "Images")
    platform.kill(service)
    try:
        page.wait_text("#banner", words, limit_s=60)
    finally:
        platform.start(service)
    wait_for(lambda: not page.text("#banner"), "recovery", 60)
    name = f"after_{service.replace('-', '_')}"
    arrive(name)
    page.wait_text(".scan-list", name, limit_s=30)


def test_the_page_itself_goes_and_comes(page: Page, platform: Platform) -> None:
    page.wait_text(".states", "Images")
    platform.kill("webapp")
    try:
        page.wait_text("#banner", "The page’s own server does not answer.", 30)
    finally:
        platform.start("webapp")
    wait_for(lambda: not page.text("#banner"), "recovery", 60)


def test_signing_out_and_an_ended_session(page: Page, platform: Platform) -> None:
    page.click("#user")
    page.click("#sign-out")
    wait_for(lambda: page.find("input[name=password]"), "the login")
    page.browser.get(page.url)
    wait_for(lambda: page.find("input[name=password]"), "the login")
    page.find("input[name=name]")[0].send_keys(USER)
    page.find("input[name=password]")[0].send_keys(PASSWORD + "\n")
    wait_for(lambda: page.find("#page"), "the page")
    command(platform, "user", "passwd", USER, typed=PASSWORD + "\n")
    page.wait_text("#banner", "You have been signed out.", 30)


def test_no_secret_reaches_the_browser(
    platform: Platform, tiled: TiledClient, arrive: Callable[[str], str], tmp_path: Path
) -> None:
    arrive("secretless")
    with Recorder(platform.port("webapp")) as recorder, chromium(tmp_path / "p") as browser:
        page = Page(browser, f"http://127.0.0.1:{recorder.port}")
        link = command(platform, "login-link", USER)
        page.sign_in(page.url + link.partition(platform.url("webapp"))[2])
        page.wait_text(".scan-list", "secretless")
        page.open_image("secretless")
        page.wait_text(".states", "Jobs")
        assert b"secretless" in recorder.received
        for secret in (platform.data / "secrets").iterdir():
            value = secret.read_bytes().strip()
            assert value not in recorder.received, secret.name
            for part in value.split(b":"):
                assert len(part) < 12 or part not in recorder.received, secret.name


def test_health_and_metrics(platform: Platform) -> None:
    answer = httpx.get(platform.url("webapp") + "/healthz").json()
    assert answer["ok"]
    metrics = httpx.get(platform.url("webapp") + "/metrics").text
    assert 'tomobeam_webapp_feed_up{feed="recons"} 1.0' in metrics
