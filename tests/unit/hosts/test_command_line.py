"""pyinfra itself, and the commands beside it, as an operator types them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from tests.unit.hosts.installation import KEY, Installation
from tomobeam_deploy import site_cli
from tomobeam_deploy.hosts import preflight
from tomobeam_deploy.operator import drift, trust
from tomobeam_deploy.operator.drift import Drift

SITE = "tomobeam_deploy.site_cli"
DEPLOY = "deploy/all.py"


@pytest.fixture
def nobody_listens() -> Iterator[int]:
    """A port of this machine on which nothing listens, and which nobody else gets."""
    with socket.socket() as taken:
        taken.bind(("", 0))
        yield taken.getsockname()[1]


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_a_mistyped_inventory_ends_with_1(installation: Installation) -> None:
    done = installation.run("pyinfra", f"{installation.inventory}x", DEPLOY, "-y")
    assert done.returncode == 1
    assert last_line(done).endswith(f"{installation.inventory}x: no such inventory")
    assert "Connecting" not in done.stderr


@pytest.mark.parametrize("option", ["--limit", "--exclude"])
def test_a_mistyped_host_ends_with_1(installation: Installation, option: str) -> None:
    done = installation.run("pyinfra", str(installation.inventory), DEPLOY, "-y", option, "wbe")
    assert done.returncode == 1
    assert "no host or group is called 'wbe'; did you mean 'web'?" in last_line(done)
    assert "Connecting" not in done.stderr


def test_a_fault_of_the_installation_ends_pyinfra_with_its_sentence(
    installation: Installation,
) -> None:
    installation.change('"/store/recons"', '"/scratch"')
    done = installation.run("pyinfra", str(installation.inventory), DEPLOY, "-y")
    assert done.returncode == 1
    assert "data.filestore: the storage host does not mount /scratch" in last_line(done)


def test_a_plan_for_hosts_that_do_not_answer_ends_with_1(
    installation: Installation, nobody_listens: int
) -> None:
    installation.move_here(nobody_listens)
    done = installation.run("pyinfra", str(installation.inventory), DEPLOY, "--dry", "--json")
    assert done.returncode == 1
    assert "[web]" in done.stderr
    assert done.stdout == ""


def test_drift_names_the_hosts_that_it_could_not_look_at(
    installation: Installation, nobody_listens: int
) -> None:
    installation.move_here(nobody_listens)
    done = installation.run(SITE, "drift", str(installation.inventory), "--limit", "co*")
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert [line.partition(": was not looked at: ")[0] for line in said] == ["control", "compute"]
    assert all("Could not connect" in line for line in said)
    assert done.stdout == ""


@pytest.fixture
def planned(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """pyinfra's plan, replaced by these lines of a report, and by what pyinfra says."""
    lines: list[str] = []

    def plan(_inventory: Path, _limit: list[str], _deploy: Path, report: Path) -> str:
        report.write_text("".join(f"{line}\n" for line in lines))
        return "    [web]     Connected\n    [compute] Could not connect (timed out)\n"

    def check(inventory: Path, _patterns: list[str]) -> tuple[object, list[str]]:
        assert inventory == installation.inventory
        return installation.site(), []

    monkeypatch.setattr(drift, "_plan", plan)
    monkeypatch.setattr(preflight, "check", check)
    return lines


def seen(host: str, **said: object) -> str:
    return json.dumps({"host": host, **said})


def drift_of(
    installation: Installation, capsys: pytest.CaptureFixture[str], *limit: str
) -> tuple[int, list[str], list[str]]:
    """Exit code, and the lines of both outputs."""
    options = [word for pattern in limit for word in ("--limit", pattern)]
    code = main("drift", str(installation.inventory), *options)
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def main(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tomobeam-site", *arguments])
        with pytest.raises(SystemExit) as end:
            site_cli.main()
    code = end.value.code or 0
    assert isinstance(code, int)
    return code


def test_drift_lists_every_difference_and_ends_with_2(
    installation: Installation, planned: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    planned += [
        seen("web", differs={}),
        seen("control", differs={"/etc/x": ["content differs", "mode is 644, not 600"]}),
        seen("compute", differs={"u.service": ["is inactive"], "/etc/y": ["absent"]}),
    ]
    assert drift_of(installation, capsys) == (
        2,
        [
            "control: /etc/x: content differs; mode is 644, not 600",
            "compute: u.service: is inactive",
            "compute: /etc/y: absent",
        ],
        [],
    )


def test_drift_ends_with_0_where_nothing_differs(
    installation: Installation, planned: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    planned += [seen(host, differs={}) for host in ("web", "control", "compute")]
    assert drift_of(installation, capsys) == (0, [], [])


def test_a_host_that_was_not_looked_at_weighs_more_than_one_that_differs(
    installation: Installation, planned: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    planned += [
        seen("control", differs={"/etc/x": ["absent"]}),
        seen("web", fault="its clock is 1 day behind"),
    ]
    assert drift_of(installation, capsys) == (
        1,
        ["control: /etc/x: absent"],
        [
            "compute: was not looked at: Could not connect (timed out)",
            "web: was not looked at: its clock is 1 day behind",
        ],
    )


def test_drift_of_some_hosts_says_nothing_of_the_others(
    installation: Installation, planned: list[str]
) -> None:
    planned += [seen("control", differs={})]
    assert drift.look(installation.inventory, ["storage"]) == Drift({"control": {}}, {})


def test_a_mistyped_command_is_not_taken_for_drift(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("drift") == 1
    assert main("drifft") == 1
    assert "No such command 'drifft'" in capsys.readouterr().err


def test_check_says_that_a_deploy_can_begin_or_why_not(installation: Installation) -> None:
    done = installation.run(SITE, "check", str(installation.inventory))
    assert (done.returncode, done.stderr) == (0, "")
    hosts = "control, compute, web"
    assert done.stdout == f"{installation.inventory}: a deploy to {hosts} can begin\n"
    installation.pin()
    done = installation.run(SITE, "check", str(installation.inventory))
    assert done.returncode == 1
    assert "pins no SSH host key of control, compute, web" in last_line(done)


class Sshd:
    """Answers for every address of this machine, with a host key of its own."""

    def __init__(self, folder: Path) -> None:
        path = folder / "ssh_host_ed25519_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        self.key = paramiko.Ed25519Key.from_private_key_file(str(path))
        shown = subprocess.run(
            ["ssh-keygen", "-lf", str(path)], check=True, capture_output=True, text=True
        )
        self.fingerprint = shown.stdout.split()[1]
        self.listening = socket.create_server(("", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.key)
            transport.start_server(event=threading.Event())

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path)
    yield server
    server.close()


def test_trust_pins_the_key_that_a_host_answers_with(
    installation: Installation, sshd: Sshd
) -> None:
    installation.move_here(sshd.port)
    installation.known_hosts.unlink()
    inventory = str(installation.inventory)

    asked = installation.run(SITE, "trust", inventory, "web")
    assert asked.returncode == 1
    name = f"[127.0.0.3]:{sshd.port}"
    assert f"web: {name} has {sshd.fingerprint}" in asked.stdout
    assert not installation.known_hosts.exists()

    pinned = installation.run(SITE, "trust", inventory, "web", "--yes")
    assert pinned.returncode == 0, pinned.stderr
    line = f"{name} ssh-ed25519 {sshd.key.get_base64()}\n"
    assert installation.known_hosts.read_text() == line

    # Without names it is about all hosts; what is pinned stays as it is.
    everywhere = installation.run(SITE, "trust", inventory, "--yes")
    assert f"web: {name} is pinned already: {sshd.fingerprint}" in everywhere.stdout
    assert len(installation.known_hosts.read_text().splitlines()) == 3
    assert installation.run(SITE, "check", inventory).returncode == 0


def test_trust_refuses_a_key_other_than_the_pinned_one(
    installation: Installation, sshd: Sshd
) -> None:
    installation.move_here(sshd.port)
    before = installation.known_hosts.read_text()
    done = installation.run(SITE, "trust", str(installation.inventory), "web", "--yes")
    assert done.returncode == 1
    said = last_line(done)
    assert f"web is pinned with {trust.fingerprint(KEY)}, but" in said
    assert f"answers with {sshd.fingerprint}" in said
    assert f"ssh-keygen -f {installation.known_hosts} -R '[127.0.0.3]:{sshd.port}'" in said
    assert installation.known_hosts.read_text() == before


def test_trust_says_which_host_does_not_answer_or_is_none(
    installation: Installation, nobody_listens: int
) -> None:
    installation.move_here(nobody_listens)
    silent = installation.run(SITE, "trust", str(installation.inventory), "web")
    assert silent.returncode == 1
    assert f"web: no ssh-ed25519 key from 127.0.0.3, port {nobody_listens}" in last_line(silent)
    unknown = installation.run(SITE, "trust", str(installation.inventory), "wbe")
    assert unknown.returncode == 1
    assert "no host 'wbe'; did you mean 'web'?" in last_line(unknown)
