"""sshd's file is refused where it would lock out who brings it; the lab has the real sshd."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from roles.base import deploy as base
from tests.unit.roles.beamline import load, target
from tests.unit.roles.operators_session import BY_SSH, Environment, below
from tomobeam_deploy.hosts.resources import File

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA ada@controller\n"
# As `sshd -T` prints them.
SETTINGS = {
    "permitrootlogin": "no",
    "pubkeyauthentication": "yes",
    "authorizedkeyscommand": "none",
    "trustedusercakeys": "none",
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
}
SSHD = """#!/bin/sh
echo "$*" >>{folder}/asked
while [ "$1" != -f ]; do mode=$1; shift; done
cp "$2" {folder}/whole
case $mode in
-t)
    grep -q Nonsense "$2" || exit 0
    echo "line 1: Bad configuration option: Nonsense" >&2
    exit 255
    ;;
-T) cat {folder}/settings ;;
esac
"""
GETENT = """#!/bin/sh
[ "$*" = "passwd ada" ] || [ "$*" = "passwd root" ] || exit 2
echo "$2:x:1000:1000:Ada:{folder}/home:/bin/bash"
"""


@dataclass
class Host:
    """One with a stand-in for sshd and the home of its one account."""

    folder: Path
    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))
    candidate: str = "PermitRootLogin no\n"

    def __post_init__(self) -> None:
        (self.folder / "bin").mkdir()
        for name, text in (("sshd", SSHD), ("getent", GETENT)):
            program = self.folder / "bin" / name
            program.write_text(text.format(folder=self.folder))
            program.chmod(0o755)
        (self.folder / "sshd_config").write_text("Include sshd_config.d/*.conf\n")
        self.authorise(KEY)

    def authorise(self, text: str, path: str = "home/.ssh/authorized_keys") -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def judge(
        self, *parents: Environment, sudo_user: str | None = "ada"
    ) -> subprocess.CompletedProcess[str]:
        """Let the role's own script judge the candidate, below sudo unless somebody is root."""
        resources = base.configure(target(load(), "web"))
        [sshd] = [r for r in resources if isinstance(r, File) and r.path == base.SSHD]
        script = sshd.validate[2].replace("/etc/ssh/sshd_config", f"{self.folder}/sshd_config")
        (self.folder / "candidate").write_text(self.candidate)
        lines = [f"{key} {value}\n" for key, value in self.settings.items()]
        (self.folder / "settings").write_text("".join(lines))
        own = {"SUDO_USER": sudo_user} if sudo_user else {}
        return below(self.folder, script, parents or ({}, BY_SSH), own)

    def refusal(self, *parents: Environment, sudo_user: str | None = "ada") -> str:
        done = self.judge(*parents, sudo_user=sudo_user)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr.removesuffix("\n")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_who_has_a_key_may_bring_it_and_sshd_is_asked_about_them(host: Host) -> None:
    done = host.judge()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # Of two values sshd takes the first.
    assert (host.folder / "whole").read_text() == host.candidate + "Include sshd_config.d/*.conf\n"
    asked = (host.folder / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked] == ["-t", "-T"]
    assert asked[1].endswith(
        " -C user=ada,host=192.0.2.3,addr=192.0.2.3,laddr=10.89.77.15,lport=22"
    )
    assert not Path(asked[0].split()[-1]).exists()


def test_what_sshd_cannot_read_is_refused_with_its_words(host: Host) -> None:
    host.candidate = "Nonsense yes\n"
    done = host.judge()
    assert done.returncode != 0
    assert done.stderr == "line 1: Bad configuration option: Nonsense\n"


def test_where_nobody_is_connected_it_is_not_known_who_could_come_back(host: Host) -> None:
    assert host.refusal({}, {"LOGNAME": "ada"}) == (
        "from where you are connected by SSH cannot be seen, nor whether you could come back; "
        "deploy over SSH, with sudo"
    )


def test_a_session_is_found_however_far_above(host: Host) -> None:
    assert host.judge({}, {}, {}, BY_SSH).returncode == 0


def test_who_is_connected_as_root_is_told_so(host: Host) -> None:
    as_root = {**BY_SSH, "LOGNAME": "root"}
    assert host.refusal(as_root, sudo_user=None) == (
        "you are connected as root, which will be refused; deploy as an account with sudo"
    )


def test_root_may_stay_where_sshd_lets_it(host: Host) -> None:
    host.settings["permitrootlogin"] = "without-password"
    assert host.judge({**BY_SSH, "LOGNAME": "root"}, sudo_user=None).returncode == 0


def test_where_keys_are_refused_nobody_comes_back(host: Host) -> None:
    host.settings["pubkeyauthentication"] = "no"
    assert host.refusal() == "sshd refuses keys to ada from 192.0.2.3"


@pytest.mark.parametrize("text", [None, "", f"# {KEY}", "nothing AAAAC3Nz\n"])
def test_who_has_no_key_is_told_how_to_get_one(host: Host, text: str | None) -> None:
    path = host.folder / "home/.ssh/authorized_keys"
    path.unlink() if text is None else path.write_text(text)
    assert host.refusal() == (
        "ada has no key in .ssh/authorized_keys .ssh/authorized_keys2 of "
        f"{host.folder}/home, and passwords will be refused; add one by: ssh-copy-id"
    )


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        (".ssh/authorized_keys .ssh/more", "home/.ssh/more"),
        ("%h/keys", "home/keys"),
        ("{folder}/keys/%u", "keys/ada"),
    ],
)
@pytest.mark.parametrize("options", ["", 'from="192.0.2.0/24",no-pty '])
def test_a_key_is_found_wherever_sshd_looks_for_it(
    host: Host, setting: str, path: str, options: str
) -> None:
    (host.folder / "home/.ssh/authorized_keys").unlink()
    host.authorise(options + KEY, path)
    host.settings["authorizedkeysfile"] = setting.format(folder=host.folder)
    assert host.judge().returncode == 0


@pytest.mark.parametrize("elsewhere", ["authorizedkeyscommand", "trustedusercakeys"])
def test_keys_from_elsewhere_are_the_sites_care(host: Host, elsewhere: str) -> None:
    (host.folder / "home/.ssh/authorized_keys").unlink()
    host.settings[elsewhere] = "/etc/ssh/elsewhere"
    assert host.judge().returncode == 0
