"""A disk of a host that a new release does not fit on: it is said, and the old one still serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deploy.checkout import in_a_checkout
from tests.deploy.conftest import LIMIT_S, Operator
from tests.deploy.hosts import at, runs

pytestmark = pytest.mark.timeout(LIMIT_S)

HOST, UNIT = "web", "tomobeam-webapp.service"
HOME = "/opt/tomobeam/webapp"
ASK = "python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:8050/healthz\").read()'"
LIMIT = f"--limit {HOST}"
SMALL = "/mnt/small"
# 64 MiB are left where new releases go; those that are there can be read as before.
FILL_RELEASES = f"""
mkdir -p {SMALL}
mount -t tmpfs -o size=64m tmpfs {SMALL}
for release in {HOME}/releases/*; do
    mkdir {SMALL}/${{release##*/}}
    mount --bind $release {SMALL}/${{release##*/}}
done
mount --rbind {SMALL} {HOME}/releases
"""
UPLOADS = "/home/deploy/.tomobeam"
FILL_UPLOADS = f"mount -t tmpfs -o size=64m,uid=1000,mode=700 tmpfs {UPLOADS}"


@pytest.fixture(scope="module")
def newer(platform: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Somebody in a checkout of their own, where the page is another than the one deployed."""
    page = "services/webapp/src/tomobeam_webapp/wsgi.py"
    yield in_a_checkout(platform, tmp_path_factory.mktemp("tree"), page)
    platform.deploy(more=LIMIT)


@contextmanager
def mounted(script: str, *places: str) -> Iterator[None]:
    at(HOST, f"set -e; {script}")
    try:
        yield
    finally:
        # Lazily, as what runs may have opened files there.
        at(HOST, "; ".join(f"umount --recursive --lazy {place}" for place in places))


@pytest.mark.parametrize(
    ("script", "places", "full"),
    [
        (FILL_UPLOADS, (UPLOADS,), UPLOADS),
        (FILL_RELEASES, (f"{HOME}/releases", SMALL), f"{HOME}/releases"),
    ],
    ids=["where it is sent to", "where it is unpacked"],
)
def test_a_release_that_does_not_fit_is_said_and_the_old_one_serves(
    newer: Operator, script: str, places: tuple[str, ...], full: str
) -> None:
    current, run = at(HOST, f"readlink {HOME}/current"), runs(HOST)[UNIT]
    with mounted(script, *places):
        done = newer.deploy(ok=1, more=LIMIT)
        [said] = [line for line in done.stderr.splitlines() if "make room there" in line]
        assert said.strip().startswith(f"[{HOST}]")
        assert f" but the disk of {full} has 6" in said
        at(HOST, ASK)
        assert at(HOST, f"readlink {HOME}/current") == current
        assert runs(HOST)[UNIT] == run
        assert at(HOST, f"ls {UPLOADS} {HOME}/releases | grep -c part", ok=None) == "0"


def test_with_the_disk_back_the_next_run_brings_the_release(newer: Operator) -> None:
    current = at(HOST, f"readlink {HOME}/current")
    newer.deploy(more=LIMIT)
    assert at(HOST, f"readlink {HOME}/current") != current
    assert at(HOST, f"readlink {HOME}/previous") == current
    at(HOST, ASK)
    assert newer.drift(HOST) == []
