"""pyinfra itself, and the commands beside it, as an operator types them."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from tests.unit.hosts.installation import KEY, Installation, main
from tomobeam_deploy.hosts import preflight, report
from tomobeam_deploy.hosts.report import Differences
from tomobeam_deploy.operator import drift, trust
from tomobeam_deploy.operator.drift import Drift

Planned = dict[str, Differences | str]

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


def test_a_mistyped_host_ends_with_1(installation: Installation) -> None:
    limits = ("--limit", "web", "--exclude", "wbe")
    done = installation.run("pyinfra", str(installation.inventory), DEPLOY, "-y", *limits)
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
def planned(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """pyinfra's plan, replaced by what it reports of these hosts, and by what it says."""
    hosts: Planned = {}

    def plan(_command: list[str], path: Path, *, asks: bool) -> str:
        assert not asks
        with monkeypatch.context() as patch:
            patch.setenv(report.VARIABLE, str(path))
            for host, found in hosts.items():
                report.add(host, found)
        return "    [web]     Connected\n    [compute] Could not connect (timed out)\n"

    def check(inventory: Path, _patterns: list[str]) -> tuple[object, list[str]]:
        assert inventory == installation.inventory
        return installation.site(), []

    monkeypatch.setattr(drift, "_plan", plan)
    monkeypatch.setattr(preflight, "check", check)
    return hosts


def drift_of(
    installation: Installation, capsys: pytest.CaptureFixture[str], *limit: str
) -> tuple[int, list[str], list[str]]:
    """Exit code, and the lines of both outputs."""
    options = [word for pattern in limit for word in ("--limit", pattern)]
    code = main("drift", str(installation.inventory), *options)
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_drift_lists_every_difference_and_ends_with_2(
    installation: Installation, planned: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    planned["web"] = {}
    planned["control"] = {"/etc/x": ["content differs", "mode is 644, not 600"]}
    planned["compute"] = {"u.service": ["is inactive"], "/etc/y": ["absent"]}
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
    installation: Installation, planned: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    planned |= {"web": {}, "control": {}, "compute": {}}
    assert drift_of(installation, capsys) == (0, [], [])


def test_a_host_that_was_not_looked_at_weighs_more_than_one_that_differs(
    installation: Installation, planned: Planned, capsys: pytest.CaptureFixture[str]
) -> None:
    planned |= {"control": {"/etc/x": ["absent"]}, "web": "its clock is 1 day behind"}
    assert drift_of(installation, capsys) == (
        1,
        ["control: /etc/x: absent"],
        [
            "compute: was not looked at: Could not connect (timed out)",
            "web: was not looked at: its clock is 1 day behind",
        ],
    )


def test_drift_of_some_hosts_says_nothing_of_the_others(
    installation: Installation, planned: Planned
) -> None:
    planned["control"] = {}
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


Said = pytest.CaptureFixture[str]


def trusted(capsys: Said, *arguments: str, answer: str = "") -> tuple[int, str]:
    """Exit code, and all that the command says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(answer))
        code = main("trust", *arguments)
    out, err = capsys.readouterr()
    return code, out + err


def test_trust_pins_the_key_that_a_host_answers_with(
    installation: Installation, sshd: Sshd, capsys: Said
) -> None:
    installation.move_here(sshd.port)
    installation.known_hosts.unlink()
    inventory, name = str(installation.inventory), f"[127.0.0.3]:{sshd.port}"

    for answer in ("", "n\n"):
        code, said = trusted(capsys, inventory, "web", answer=answer)
        assert code == 1
        assert f"web: {name} has {sshd.fingerprint}" in said
        assert not installation.known_hosts.exists()

    code, said = trusted(capsys, inventory, "web", answer="y\n")
    assert code == 0
    line = f"{name} ssh-ed25519 {sshd.key.get_base64()}\n"
    assert installation.known_hosts.read_text() == line

    # Without names it is about all hosts; what is pinned stays as it is.
    code, said = trusted(capsys, inventory, "--yes")
    assert code == 0
    assert f"web: {name} is pinned already: {sshd.fingerprint}" in said
    assert len(installation.known_hosts.read_text().splitlines()) == 3
    preflight.check(installation.inventory, (), installation.secrets)


def test_trust_refuses_a_key_other_than_the_pinned_one(
    installation: Installation, sshd: Sshd, capsys: Said
) -> None:
    installation.move_here(sshd.port)
    before = installation.known_hosts.read_text()
    code, said = trusted(capsys, str(installation.inventory), "web", "--yes")
    assert code == 1
    assert f"web is pinned with {trust.fingerprint(KEY)}, but" in said
    assert f"answers with {sshd.fingerprint}" in said
    assert f"ssh-keygen -f {installation.known_hosts} -R '[127.0.0.3]:{sshd.port}'" in said
    assert installation.known_hosts.read_text() == before


def test_trust_says_which_host_does_not_answer_or_is_none(
    installation: Installation, nobody_listens: int, capsys: Said
) -> None:
    installation.move_here(nobody_listens)
    code, said = trusted(capsys, str(installation.inventory), "web")
    assert code == 1
    assert f"web: no ssh-ed25519 key from 127.0.0.3, port {nobody_listens}" in said
    code, said = trusted(capsys, str(installation.inventory), "wbe")
    assert code == 1
    assert "no host 'wbe'; did you mean 'web'?" in said
