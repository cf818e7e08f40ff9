"""The page of a platform on its first day."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.webapp.conftest import PASSWORD, USER, command, signed_in
from tests.support.platform import local_platform


@pytest.mark.browser
def test_before_anything_arrived_every_part_says_so(tmp_path: Path) -> None:
    with local_platform(tmp_path, ["tiled", "prefect-server", "webapp"]) as platform:
        command(platform, "user", "add", USER, typed=PASSWORD + "\n")
        with signed_in(platform, tmp_path) as page:
            page.wait_text(".scan-list", "No reconstruction has arrived yet.")
            page.wait_text(".job-list", "No jobs yet.")
            page.wait_text(".work", "Choose a reconstruction first.")
            for width, height in ((1366, 768), (2560, 1440)):
                page.size(width, height)
                assert page.overlapping() == []
            assert page.problems() == []
