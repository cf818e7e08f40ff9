"""From bare hosts to a platform, and what an operator expects of it afterwards, in that order."""

from __future__ import annotations

import json

import pytest

from tests.deploy.conftest import LIMIT_S, Operator
from tomobeam_deploy import lab

pytestmark = pytest.mark.timeout(LIMIT_S)

EDITS = {
    "storage": ("/etc/tomobeam/tiled/tiled.yml", "tomobeam-tiled.service"),
    "web": ("/etc/caddy/Caddyfile", "caddy.service"),
    "compute1": ("/etc/systemd/system/tomobeam-worker.service", "tomobeam-worker.service"),
}


def test_bare_hosts_become_the_platform(bare: Operator) -> None:
    done = bare.deploy()
    assert "every hop answered" in done.stdout + done.stderr


def test_a_second_deploy_changes_nothing(bare: Operator) -> None:
    assert bare.changes() == {}
    assert bare.run("tomobeam-site drift inventories/lab").stdout == ""


def test_the_hosts_are_what_the_site_says(bare: Operator) -> None:
    done = bare.run("tomobeam-site verify inventories/lab")
    assert " passed" in done.stdout


def test_operators_look_after_services_by_commands_on_their_hosts(bare: Operator) -> None:
    def typed(host: str, words: str) -> str:
        done = lab.run(host, words, root=True)
        assert done.returncode == 0, (host, words, done.stdout, done.stderr)
        return done.stdout.decode()

    assert json.loads(typed("storage", "tomobeam-ingester status --json"))["away"] == {}
    assert "dead letters put back" in typed("storage", "tomobeam-ingester replay --dry")
    assert "known before" in typed("storage", "tomobeam-ingester scan")
    typed("web", "echo 'a long password' | tomobeam-webapp user add ada")
    assert "ada" in typed("web", "tomobeam-webapp user list").split()
    typed("web", "tomobeam-webapp user remove ada")
    refused = lab.run("web", "tomobeam-webapp user list")
    assert refused.returncode == 1
    assert b"type: sudo tomobeam-webapp" in refused.stderr


def test_hand_edits_are_named_and_repaired(bare: Operator) -> None:
    before = {host: lab.run(host, f"sha256sum {path}").stdout for host, (path, _) in EDITS.items()}
    for host, (path, _unit) in EDITS.items():
        assert lab.run(host, f"echo '# by hand' >> {path}", root=True).returncode == 0
    said = bare.run("tomobeam-site drift inventories/lab", ok=2).stdout
    for host, (path, _unit) in EDITS.items():
        assert f"{host}: {path}: content differs" in said
    bare.deploy()
    assert bare.run("tomobeam-site drift inventories/lab").stdout == ""
    after = {host: lab.run(host, f"sha256sum {path}").stdout for host, (path, _) in EDITS.items()}
    assert after == before
    for host, (_path, unit) in EDITS.items():
        assert lab.run(host, f"systemctl is-active {unit}").returncode == 0


def test_the_canary_flies_when_it_is_asked_to(bare: Operator) -> None:
    assert "every hop answered" in bare.run("tomobeam-site canary inventories/lab").stdout
