"""What a unit may do, who may log in, what the firewall drops, how much is logged."""

from __future__ import annotations

import pytest

from roles.firewall import deploy as firewall
from roles.podman import deploy as podman
from tests.hosts import expected
from tests.hosts.reach import Reached

MIB = 2**20

# The most that `systemd-analyze security` may find exposed, of 10.
OURS, DEBIANS = 1.3, 2.5
# Of the units that we manage, those that are left as they are, and why. podman's belong to the
# systemd of the worker's account, so that they are not among the host's units either.
AS_THEY_ARE = {
    "ssh.service": "operators log in by it and become root",
    "systemd-journald.service": "systemd's own, as Debian ships it",
    "chrony.service": "sets the clock, in Debian's own sandbox (3.7)",
    f"{podman.UNIT}.service": "makes containers and needs what a sandbox forbids; limits are those"
    " of each job",
    f"{podman.UNIT}.socket": "runs nothing",
}


def test_units_of_a_service_run_in_a_sandbox(host: Reached, service: str) -> None:
    process = host.target.processes[service]
    for name in expected.sandboxed_units(process):
        unit = host.facts["units"][name]
        assert unit["LoadState"] == "loaded"
        assert unit["User"] == process.placement.user
        assert unit["NoNewPrivileges"] == "yes"
        assert unit["ProtectSystem"] == "strict"
        assert unit["SystemCallFilter"]
        assert int(unit["MemoryMax"]) == process.service.memory_mib * MIB
        assert int(unit["TasksMax"]) == process.service.tasks
        assert host.facts["exposures"][name] <= OURS


def test_the_firewalls_unit_is_as_small_as_ours(host: Reached) -> None:
    unit = host.facts["units"][firewall.UNIT]
    assert unit["NoNewPrivileges"] == "yes"
    assert unit["ProtectSystem"] == "strict"
    assert unit["SystemCallFilter"]
    assert int(unit["MemoryMax"]) == firewall.MEMORY_MIB * MIB
    assert int(unit["TasksMax"]) == firewall.TASKS
    assert host.facts["exposures"][firewall.UNIT] <= OURS


def test_units_of_debian_run_in_a_sandbox(host: Reached) -> None:
    units = set(expected.debian_units(host.site, host.name)) - set(AS_THEY_ARE)
    assert {u: x for u in units if (x := host.facts["exposures"][u]) > DEBIANS} == {}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("permitrootlogin", "no"),
        ("passwordauthentication", "no"),
        ("kbdinteractiveauthentication", "no"),
        ("permitemptypasswords", "no"),
        ("pubkeyauthentication", "yes"),
        ("disableforwarding", "yes"),
        ("permituserenvironment", "no"),
    ],
)
def test_sshd_takes_keys_and_nothing_else(host: Reached, setting: str, value: str) -> None:
    assert host.facts["sshd"][setting] == value


def test_the_firewall_drops_what_it_was_not_told_of(host: Reached) -> None:
    chains = [entry["chain"] for entry in host.facts["firewall"] if "chain" in entry]
    input_ = [c for c in chains if (c["family"], c["table"]) == ("inet", "tomobeam")]
    assert [(c["hook"], c["policy"]) for c in input_] == [("input", "drop")]


def test_the_journal_outlives_a_restart_and_never_fills_the_disk(host: Reached) -> None:
    journal = host.facts["journal"]
    assert journal["Storage"] == "persistent"
    assert journal["SystemMaxUse"]
    assert journal["SystemKeepFree"]
    assert journal["MaxRetentionSec"]
