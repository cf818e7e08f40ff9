"""Reconstruction hosts: they announce scans, and may do nothing else with the broker."""

from __future__ import annotations

from typing import Any

import pytest

from roles.reconstruction.deploy import PROGRAMS
from tests.hosts.reach import Reached
from tomobeam_contracts.destinations import (
    BROKER_INGESTER,
    BROKER_PRODUCER,
    DEAD_LETTER_QUEUE,
    INGEST_QUEUE,
    SCAN_TOPIC,
    queue,
    topic,
)
from tomobeam_deploy.hosts.target import CA
from tomobeam_deploy.site import Accounts, Group

GROUPS = (Group.RECONSTRUCTION,)

SEND_SCAN = {"do": "send", "to": topic(SCAN_TOPIC)}
REFUSED: dict[str, dict[str, Any]] = {
    "reads the queue": {"do": "browse", "to": queue(INGEST_QUEUE)},
    "reads the topic": {"do": "browse", "to": topic(SCAN_TOPIC)},
    "reads dead letters": {"do": "browse", "to": queue(DEAD_LETTER_QUEUE)},
    "sends to the queue": {"do": "send", "to": queue(INGEST_QUEUE)},
    "sends to another topic": {"do": "send", "to": topic("tomobeam.other")},
    "makes a queue": {"do": "send", "to": queue("tomobeam.other")},
    "has another password": {"do": "connect", "password": "wrong"},
    "is nobody": {"do": "connect", "login": "", "password": ""},
    "is the ingester": {"do": "connect", "login": BROKER_INGESTER},
}


@pytest.fixture
def trials(host: Reached) -> dict[str, str | None]:
    """What the broker said to each attempt; None: it was allowed."""
    site, process = host.site, host.target.processes["reconstruction"]
    attempts = {"sends a scan": SEND_SCAN} | REFUSED
    orders = {
        "address": str(site.hosts[site.broker_host].address),
        "port": site.broker_port,
        "name": site.broker_host,
        "ca": str(CA),
        "login": BROKER_PRODUCER,
        "password_file": str(process.placement.secrets / f"broker-{BROKER_PRODUCER}"),
        "trials": list(attempts.values()),
    }
    return dict(zip(attempts, host.ask("stomp", orders), strict=True))


def test_a_producer_announces_scans_and_does_nothing_else(trials: dict[str, str | None]) -> None:
    assert trials.pop("sends a scan") is None
    assert [attempt for attempt, said in trials.items() if said is None] == []


def test_a_refusal_is_the_brokers_word_and_no_broken_connection(
    trials: dict[str, str | None],
) -> None:
    for attempt, said in trials.items():
        if attempt != "sends a scan":
            assert "not authorized" in str(said) or "invalid" in str(said), attempt


def test_the_commands_are_for_everybody_and_changed_by_root(host: Reached) -> None:
    wanted = [f"/usr/local/bin/{program}" for program in PROGRAMS]
    trials = [("nobody", flag, path) for path in wanted for flag in "xw"]
    answers = dict(zip(trials, host.ask("access", trials), strict=True))
    assert answers == {trial: trial[1] == "x" for trial in trials}


def test_reconstructions_are_written_and_their_announcements_kept(host: Reached) -> None:
    site, owner = host.site, Accounts.name("reconstruction")
    recons = str(site.path_on(host.name, site.data.filestore))
    spool = f"{host.target.processes['reconstruction'].placement.state}/spool"
    trials = [(owner, "w", recons), (owner, "w", spool), ("nobody", "w", spool)]
    assert host.ask("access", trials) == [True, True, False]
