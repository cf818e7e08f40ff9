"""Releases come and go: back within seconds, never forward, and as if a kill had not happened."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.deploy.checkout import in_a_checkout
from tests.deploy.conftest import INVENTORY, LIMIT_S, Operator
from tests.deploy.hosts import at, runs
from tomobeam_deploy.on_host.main import LOCK
from tomobeam_deploy.renderers.systemd import unit_name

pytestmark = pytest.mark.timeout(2 * LIMIT_S)

# Of the workers' hosts the deploy does not reach the other one.
NEWER, REACHED = {"web": "webapp", "compute1": "worker"}, "--limit web --limit compute1"
HOSTS = NEWER | {"compute2": "worker"}
BACK = f"tomobeam-site rollback {INVENTORY} " + " ".join(f"--limit {host}" for host in HOSTS)
CHANGED = (
    "services/webapp/src/tomobeam_webapp/wsgi.py",
    "services/segmentation/src/tomobeam_segmentation/__init__.py",
)
# Measured: 10 s, of which two start units that import much; a loaded machine takes longer.
SECONDS = 60
# What is neither current nor of use: that there is nothing to go back to, but what a test brings.
ONLY_CURRENT = "cd /opt/tomobeam/{0} && rm -f previous undone && cd releases && ls | " + (
    'grep -v "^$(basename "$(readlink ../current)")$" | xargs -r rm -r'
)

# The program that puts things right there; it would go on without the controller.
KILL = f"""
for process in /proc/[0-9]*; do
    ! ls -l $process/fd 2>/dev/null | grep -q {LOCK} || kill -KILL ${{process#/proc/}}
done
"""


def links(host: str) -> dict[str, str]:
    """Where the links of a host's service lead."""
    home = f"/opt/tomobeam/{HOSTS[host]}"
    listed = at(host, f"cd {home} && for l in *; do [ ! -L $l ] || echo $l $(readlink $l); done")
    lines = [line.split() for line in listed.splitlines()]
    return {name: target.removeprefix("releases/") for name, target in lines}


def started(host: str) -> str:
    """From which release the unit runs."""
    record = at(host, f"tail -n 1 /run/tomobeam-started/{unit_name(HOSTS[host])}")
    return record.removeprefix("releases/")


@pytest.fixture(scope="module")
def old(platform: Operator) -> Iterator[dict[str, str]]:
    """By host the release that runs, the only one there."""
    for host, service in HOSTS.items():
        at(host, ONLY_CURRENT.format(service))
    yield {host: links(host)["current"] for host in HOSTS}
    platform.deploy(more=REACHED)


@pytest.fixture(scope="module")
def new(
    platform: Operator, old: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """By host the release that was deployed after that."""
    newer = in_a_checkout(platform, tmp_path_factory.mktemp("tree"), *CHANGED)
    newer.deploy(more=REACHED)
    found = {host: links(host)["current"] for host in HOSTS}
    assert {host for host in HOSTS if found[host] != old[host]} == set(NEWER)
    return found


def test_services_go_back_within_seconds_and_nothing_else_is_touched(
    platform: Operator, old: dict[str, str], new: dict[str, str]
) -> None:
    units = {host: runs(host) for host in HOSTS}
    began = time.monotonic()
    said = platform.run(BACK).stderr
    assert time.monotonic() - began < SECONDS
    assert f"web: webapp goes from {new['web']} to {old['web']}" in said
    assert f"compute2: worker stays with {old['compute2']}" in said
    for host, service in HOSTS.items():
        expected = {"current": old[host]} | ({"undone": new[host]} if host in NEWER else {})
        assert links(host) == expected
        assert started(host) == old[host]
        restarted = {unit for unit, run in runs(host).items() if run != units[host][unit]}
        assert restarted == ({unit_name(service)} if host in NEWER else set())
    # Which checkout was deployed last is not what went back.
    assert {line.partition(": ")[2] for line in platform.drift(*HOSTS)} == {
        "/etc/tomobeam/version: content differs"
    }


def test_going_back_again_leads_nowhere(platform: Operator, old: dict[str, str]) -> None:
    before = {host: (links(host), runs(host)) for host in HOSTS}
    said = platform.run(BACK).stderr
    assert f"web: webapp stays with {old['web']}: there is none before it" in said
    assert {host: (links(host), runs(host)) for host in HOSTS} == before


def test_a_release_that_is_named_may_be_newer(platform: Operator, new: dict[str, str]) -> None:
    platform.run(f"{BACK} --service webapp --release {new['web']}")
    assert links("web")["current"] == started("web") == new["web"]
    assert "undone" not in links("web")
    assert started("compute1") != new["compute1"]


def test_a_rollback_that_is_killed_is_finished_by_the_next(
    platform: Operator, old: dict[str, str], new: dict[str, str]
) -> None:
    # What it begins with, a host says only to who wants to know all.
    line = f"pyinfra -y {INVENTORY} deploy/rollback.py --limit web --data service=webapp -vvv"
    with platform.begun(line) as rollback:
        rollback.until(rf"\[web\]\s+{unit_name('webapp')}$")
        at("web", KILL)
        rollback.kill()
    platform.run(BACK)
    assert links("web") == {"current": old["web"], "undone": new["web"]}
    assert started("web") == old["web"]


def test_a_plan_says_what_would_go_and_changes_nothing(
    platform: Operator, old: dict[str, str], new: dict[str, str]
) -> None:
    platform.run(f"{BACK} --service webapp --release {new['web']}")
    before = links("web"), runs("web")
    done = platform.run(f"pyinfra {INVENTORY} deploy/rollback.py --dry --data service=webapp")
    assert f"web: webapp goes from {new['web']} to {old['web']}" in done.stderr
    assert (links("web"), runs("web")) == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--service tyled", "service: there is no 'tyled'; did you mean 'tiled'?; there are: "),
        ("--release 0.1.0-x", "release: of which service is 0.1.0-x? say so: --data service="),
        ("--service tiled", "service: no host of this run has tiled"),
        ("--service webapp --release 0.1.0-x", "release: web has no 0.1.0-x of webapp; there are"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_one_sentence(
    platform: Operator, options: str, sentence: str
) -> None:
    done = platform.run(f"{BACK} {options}", ok=1)
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_release_that_does_not_come_up_is_said_and_the_way_back_is_open(
    platform: Operator, old: dict[str, str]
) -> None:
    broken = "0.1.0-00000000dead"
    folder = f"/opt/tomobeam/webapp/releases/{broken}"
    at("web", f"cp -al /opt/tomobeam/webapp/releases/{old['web']} {folder}")
    try:
        at("web", f"rm {folder}/bin/gunicorn && touch {folder}")
        done = platform.run(f"{BACK} --service webapp --release {broken}", ok=1)
        assert "tomobeam-webapp.service" in done.stderr
        assert "gunicorn: No such file or directory" in done.stderr
        platform.run(f"{BACK} --service webapp --release {old['web']}")
        assert started("web") == old["web"]
    finally:
        at("web", f"rm -r {folder}")
