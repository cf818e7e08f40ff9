"""The web host: the page, and behind its login the pages of others."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.hosts.reach import Reached
from tomobeam_deploy.hosts.target import CA
from tomobeam_deploy.site import Group

GROUPS = (Group.WEB,)


@pytest.fixture
def answer(host: Reached) -> Callable[[str], tuple[int, str]]:
    """What a stranger is told at an address: status, and where it leads to."""

    def ask(url: str) -> tuple[int, str]:
        status, leads_to = host.ask("http", {"ca": str(CA), "urls": [url]})[url]
        return status, leads_to

    return ask


@pytest.mark.parametrize("path", ["/", "/ui/", "/api/v1/", "/prefect/", "/prefect/api/flow_runs/"])
def test_everything_stands_behind_the_login(host: Reached, answer, path: str) -> None:
    status, leads_to = answer(f"{host.site.page_url}{path}")
    assert status == 401 or (status in (302, 303) and urlsplit(leads_to).path == "/login")


def test_a_browser_without_tls_is_sent_on(host: Reached, answer) -> None:
    site = host.site
    status, leads_to = answer(f"http://{host.name}:{site.ports.webapp_http}/somewhere")
    assert status in (301, 308)
    assert leads_to == f"{site.page_url}/somewhere"
