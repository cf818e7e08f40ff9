"""The hosts of an inventory, asked over SSH; nothing on them is changed.

pytest tests/hosts --inventory inventories/beamline
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts import expected
from tests.hosts.reach import Questions, Reached, connect
from tomobeam_deploy.operator.verify import PASSWORD
from tomobeam_deploy.site import Group, Site

OPTION = "--inventory"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, type=Path, help="whose hosts are verified: inventories/beamline")


def inventory_of(config: pytest.Config) -> Path | None:
    """Whose hosts are verified; None where no inventory was named."""
    return config.getoption(OPTION, default=None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with `host` runs for each host of its module's GROUPS, one with `service` for each."""
    inventory = inventory_of(metafunc.config)
    site = Site.load(inventory) if inventory else None
    groups = getattr(metafunc.module, "GROUPS", tuple(Group))
    hosts = [n for n, h in site.hosts.items() if h.groups & set(groups)] if site else []
    wanted = {"host", "service"} & set(metafunc.fixturenames)
    if wanted == {"host", "service"} and site:
        pairs = [(h, s) for h in hosts for s in expected.target_of(site, h).processes]
        ids = [f"{host}-{service}" for host, service in pairs]
        metafunc.parametrize(("host", "service"), pairs, ids=ids, indirect=["host"])
    elif "host" in wanted:
        metafunc.parametrize("host", hosts, indirect=True)


@pytest.fixture(scope="session")
def questions(pytestconfig: pytest.Config) -> Iterator[Questions]:
    inventory = inventory_of(pytestconfig)
    if inventory is None:
        pytest.skip(f"no hosts are named: {OPTION}")
    site = Site.load(inventory)
    # A socket's path may not be long.
    with tempfile.TemporaryDirectory(prefix="tomobeam-") as sockets:
        password = os.environ.get(PASSWORD)
        yield Questions(site, connect(site, inventory, Path(sockets), password))


@pytest.fixture
def host(request: pytest.FixtureRequest, questions: Questions) -> Reached:
    return Reached(request.param, questions.site, questions)
