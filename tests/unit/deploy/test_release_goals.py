"""Where services go when they go back: what hosts say of themselves, and what follows from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tomobeam_deploy.releases import look
from tomobeam_deploy.releases.goals import Goal, Installed, Place, Unpacked, goal_of, goals

# Releases are named by letters, and unpacked in their order.
LETTERS = "abcdef"


def installed(
    current: str | None,
    previous: str | None = None,
    undone: str | None = None,
    started: str | None = None,
    there: Iterable[str] = "abcd",
) -> Installed:
    unpacked = {name: Unpacked(name, LETTERS.index(name)) for name in there}
    return Installed(current, previous, undone, started or current, unpacked)


def went_back(of: Installed, goal: Goal) -> Installed:
    """What a host is after that."""
    return Installed(goal.release, goal.earlier, of.current, goal.release, of.unpacked)


@pytest.mark.parametrize(
    ("of", "goal"),
    [
        (installed("d", "b"), Goal("b", "a")),
        (installed("c", "d"), Goal("d", "b")),  # c, d and c again were deployed: not to c
        (installed("d"), Goal("c", "b")),
        # Killed between the two links of a deploy, or of a rollback.
        (installed("d", "d"), Goal("c", "b")),
        (installed("c", "c", undone="d"), Goal("b", "a")),
        # What it ran before was pruned.
        (installed("d", "c", there="bd"), Goal("b", None)),
        (installed("b", "a"), Goal("a", None)),
        (installed("a"), None),
        (installed("d", there="d"), None),
        (installed(None), None),
        # Its link was changed, and its unit not restarted any more.
        (installed("c", "b", undone="d", started="d"), Goal("c", "b")),
        # A deploy that was killed there is undone.
        (installed("d", "c", started="c"), Goal("c", "b")),
    ],
)
def test_a_service_goes_to_what_ran_before(of: Installed, goal: Goal | None) -> None:
    assert goal_of(of) == goal


def test_going_back_again_never_leads_forward() -> None:
    of, seen = installed("d", "b"), []
    while goal := goal_of(of):
        seen.append(goal.release)
        of = went_back(of, goal)
    assert seen == ["b", "a"]


@pytest.mark.parametrize(
    ("named", "goal"),
    [
        ("a", Goal("a", None)),
        ("b", Goal("b", "a")),
        ("c", Goal("c", "b")),
        ("d", Goal("d", "c", forward=True)),
    ],
)
def test_a_release_may_be_named(named: str, goal: Goal) -> None:
    assert goal_of(installed("c", "b"), named) == goal


def test_a_release_that_a_host_does_not_have_is_none() -> None:
    with pytest.raises(KeyError):
        goal_of(installed("c", "b"), "f")


def releases(found: dict[Place, Goal]) -> dict[str, str]:
    return {f"{host} {service}": goal.release for (host, service), goal in found.items()}


def test_all_go_that_have_somewhere_to_go() -> None:
    hosts = {
        ("control", "broker"): installed("a"),
        ("storage", "tiled"): installed("d", "c"),
        ("web", "webapp"): installed("d", "b"),
    }
    assert releases(goals(hosts)) == {"storage tiled": "c", "web webapp": "b"}
    assert goals({}) == {}


def test_a_rollback_that_ended_early_is_finished_before_all_go_further() -> None:
    hosts = {
        ("storage", "tiled"): installed("d", "c"),
        ("web", "webapp"): installed("d", "c"),
    }
    first = goals(hosts)
    tiled, webapp = ("storage", "tiled"), ("web", "webapp")
    hosts[tiled] = went_back(hosts[tiled], first[tiled])
    assert releases(goals(hosts)) == {"web webapp": "c"}
    # Its link was changed and its unit not restarted.
    half = Installed("c", "c", "d", "d", hosts[webapp].unpacked)
    assert goals(hosts | {webapp: half}) == {webapp: Goal("c", "b")}
    hosts[webapp] = went_back(hosts[webapp], first[webapp])
    assert releases(goals(hosts)) == {"storage tiled": "b", "web webapp": "b"}


def test_what_was_deployed_since_goes_first() -> None:
    hosts = {
        ("storage", "tiled"): installed("b", "a", undone="c"),
        ("web", "webapp"): installed("d", "b"),
    }
    assert releases(goals(hosts)) == {"web webapp": "b"}


def test_a_host_that_was_not_reached_by_the_last_deploy_stays_with_the_others() -> None:
    one, two = ("compute1", "worker"), ("compute2", "worker")
    hosts = {one: installed("c", "b"), two: installed("b", "a")}
    assert releases(goals(hosts)) == {"compute1 worker": "b"}
    hosts[one] = went_back(hosts[one], goals(hosts)[one])
    assert releases(goals(hosts)) == {"compute1 worker": "a", "compute2 worker": "a"}


def test_a_host_that_the_rollback_did_not_reach_follows() -> None:
    one, two = ("compute1", "worker"), ("compute2", "worker")
    hosts = {one: installed("b", "a", undone="c"), two: installed("c", "b")}
    assert releases(goals(hosts)) == {"compute2 worker": "b"}
    # Killed before the first one's unit was restarted.
    hosts[one] = installed("b", "a", undone="c", started="c")
    assert releases(goals(hosts)) == {"compute1 worker": "b", "compute2 worker": "b"}


def test_the_host_says_what_it_has(tmp_path: Path) -> None:
    services, started = tmp_path / "opt", tmp_path / "started"
    tiled = services / "tiled"
    for number, name in enumerate(("0.1.0-b", "0.1.0-a", "0.2.0-c.part")):
        folder = tiled / "releases" / name
        folder.mkdir(parents=True)
        os.utime(folder, ns=(0, number))
    (tiled / "current").symlink_to("releases/0.1.0-a")
    (tiled / "undone").symlink_to("releases/0.2.0-c")
    (services / "something else").mkdir()
    started.mkdir()
    (started / "tomobeam-tiled.service").write_text("abc  /etc/x\nreleases/0.1.0-b\n")

    # As a host runs it: from its standard input, with none of our packages.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-", services, started],
        input=Path(look.__file__).read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert Installed.read(said["tiled"]) == Installed(
        current="0.1.0-a",
        previous=None,
        undone="0.2.0-c",
        started="0.1.0-b",
        unpacked={"0.1.0-a": Unpacked("0.1.0-a", 1), "0.1.0-b": Unpacked("0.1.0-b", 0)},
    )
    assert said.keys() == {"tiled"}
