from __future__ import annotations

import os
import subprocess
from pathlib import Path

from roles.firewall import deploy as firewall
from tests.unit.roles.beamline import command, load, target, text
from tests.unit.roles.operators_session import below
from tomobeam_deploy.site import Ports, Site


def connected(site: Site, session: str) -> subprocess.CompletedProcess[str]:
    """Ask whether the rules let in whoever has this session (client, port, server, port)."""
    check = command(firewall.configure(target(site, "web")), "access of the operator").check
    return subprocess.run(
        ["sh", "-c", check],
        env={"PATH": os.environ["PATH"], "SSH_CONNECTION": session, "LOGNAME": "ada"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_port_has_one_rule_with_all_that_reach_it() -> None:
    rules = {rule.number: rule for rule in firewall.rules_of(load(), "control")}
    assert sorted(rules) == [22, 4443, 5432, 61614]
    assert rules[4443].old == ["10.89.77.13", "10.89.77.14/31"]
    assert rules[4443].new == []
    assert "worker uses prefect-server; webapp uses prefect-server" in rules[4443].why


def test_rules_name_both_families_and_nothing_that_must_be_resolved() -> None:
    site = load(clients=("192.0.2.0/24", "2001:db8::/32"))
    rules = text(firewall.configure(target(site, "web")), firewall.RULES)
    assert "ip saddr { 192.0.2.0/24 } tcp dport 443 accept" in rules
    assert "ip6 saddr { 2001:db8::/32 } tcp dport 443 accept" in rules
    assert "type filter hook input priority filter; policy drop;" in rules
    assert "flush ruleset" not in rules


def test_an_operator_within_the_controllers_passes() -> None:
    site = load(controllers=("192.0.2.0/28", "2001:db8::/64"))
    for session in ("192.0.2.3 50000 10.89.77.15 22", "2001:db8::3 50000 2001:db8::1 22"):
        assert connected(site, session).returncode == 0


def test_an_operator_whom_the_rules_would_shut_out_is_told_so() -> None:
    done = connected(load(controllers=("192.0.2.0/28",)), "192.0.2.16 50000 10.89.77.15 22")
    assert done.returncode == 1
    assert done.stdout == (
        "you are connected from 192.0.2.16, which the firewall would shut out; "
        "add it to controllers of the inventory (192.0.2.0/28)\n"
    )


def test_a_port_of_sshd_that_the_rules_do_not_open_is_refused() -> None:
    done = connected(load(ports=Ports(ssh=2222)), "10.89.77.1 50000 10.89.77.15 22")
    assert done.returncode == 1
    assert "connected to port 22, but the firewall opens 2222" in done.stdout


def test_an_operator_of_whom_nothing_is_seen_is_refused(tmp_path: Path) -> None:
    check = command(firewall.configure(target(load(), "web")), "access of the operator").check
    done = below(tmp_path, check, [{"LOGNAME": "ada"}], {})
    assert done.returncode == 1
    assert done.stderr.endswith(
        "cannot be seen, nor whether you could come back; deploy over SSH, with sudo\n"
    )
