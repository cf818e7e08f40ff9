"""Accounts and packages: what is asked of Debian's own programs, which are not run here."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.hosts.program import compare
from tomobeam_deploy.hosts import brought
from tomobeam_deploy.on_host import accounts, packages
from tomobeam_deploy.on_host.running import Fault

Told = list[str]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What was asked of the programs of `accounts` and `packages`."""
    asked: Told = []

    def run(*argv: str, **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(" ".join(argv))
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(accounts, "run", run)
    monkeypatch.setattr(packages, "run", run)
    return asked


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has an account `tiled` in no other group, and groups `tiled` and `shared`."""
    account = pwd.struct_passwd(("tiled", "x", 6101, 6101, "", "/var/lib/tiled", "/bin/false"))
    groups = {
        "tiled": grp.struct_group(("tiled", "x", 6101, [])),
        "shared": grp.struct_group(("shared", "x", 6100, ["worker"])),
    }
    monkeypatch.setattr(pwd, "getpwnam", {"tiled": account}.__getitem__)
    monkeypatch.setattr(grp, "getgrnam", groups.__getitem__)


def account(name: str = "tiled", uid: int = 6101, home: str = "/var/lib/tiled", *groups: str):
    return accounts.Account(name=name, uid=uid, home=home, groups=list(groups))


def group(name: str, gid: int) -> accounts.Group:
    return accounts.Group(name=name, gid=gid)


@pytest.mark.usefixtures("known")
def test_an_account_is_made_with_its_number_and_groups(told: Told) -> None:
    new = account("ingester", 6102, "/var/lib/ingester", "shared")
    assert new.differences() == ["absent"]
    new.put_right()
    assert told == [
        "groupadd --gid 6102 ingester",
        "useradd --system --no-create-home --shell /usr/sbin/nologin --uid 6102 --gid ingester "
        "--home-dir /var/lib/ingester ingester",
        "usermod --append --groups shared ingester",
    ]


@pytest.mark.usefixtures("known")
def test_only_what_differs_about_an_account_is_changed(told: Told) -> None:
    assert account().differences() == []
    account().put_right()
    assert told == []
    moved = account("tiled", 6101, "/srv/tiled", "shared", "ghosts")
    assert moved.differences() == [
        "home is /var/lib/tiled, not /srv/tiled",
        "not in group shared",
        "not in group ghosts",
    ]
    moved.put_right()
    assert told == [
        "usermod --home /srv/tiled tiled",
        "usermod --append --groups shared tiled",
        "usermod --append --groups ghosts tiled",
    ]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("make", "difference"),
    [
        (lambda: account(uid=6109), "uid is 6101, not 6109"),
        (lambda: group("shared", 6109), "gid is 6100, not 6109"),
    ],
)
def test_a_number_that_differs_is_for_a_person(
    told: Told, make: Callable[[], accounts.Account | accounts.Group], difference: str
) -> None:
    assert make().differences()[0] == difference
    with pytest.raises(Fault, match=f"^{difference}; change it on the host, or in `accounts` of"):
        make().put_right()
    assert told == []


def test_packages_are_asked_of_this_very_dpkg() -> None:
    wanted = brought.Packages(("dpkg", "no-such-package"), lambda: None)  # type: ignore[arg-type]
    assert list(compare(wanted).values()) == [["no-such-package is not installed"]]


@pytest.fixture
def dpkg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: Told) -> Told:
    """Places of dpkg's in a folder of the test."""
    monkeypatch.setattr(packages, "LOCK", tmp_path / "lock-frontend")
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")

    def unpack(upload: str, script: str) -> None:
        told.append(f"unpack {upload} {script}")

    monkeypatch.setattr(packages, "unpack", unpack)
    return told


def wanted() -> packages.Packages:
    return packages.Packages(names=["caddy"], script="read-it", upload="/there")


def test_packages_are_installed_from_what_was_sent_and_nothing_is_left(dpkg: Told) -> None:
    wanted().put_right()
    assert dpkg[0] == "unpack /there read-it"
    assert dpkg[1] == "env DPKG_FRONTEND_LOCKED=1 dpkg --force-confold --configure -a"
    assert dpkg[2].startswith("apt-get install ")
    assert "-o DPkg::Lock::Timeout=120 " in dpkg[2]
    assert dpkg[2].endswith(" caddy")
    assert not packages.POLICY.exists()


def test_services_of_packages_do_not_start_by_being_installed(
    dpkg: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    exits = []

    def run(*_: str) -> None:
        exits.append(subprocess.run([packages.POLICY], check=False).returncode)

    monkeypatch.setattr(packages, "run", run)
    wanted().put_right()
    assert exits == [101, 101]
    assert dpkg == ["unpack /there read-it"]


def test_a_killed_installation_is_seen_and_cleared_up(dpkg: Told) -> None:
    packages.POLICY.write_text(packages.OUR_POLICY)
    nothing = packages.Packages(names=[], script="", upload="")
    assert nothing.differences() == [f"an interrupted installation left {packages.POLICY}"]
    nothing.put_right()
    assert nothing.differences() == []
    assert dpkg


def test_the_site_s_own_policy_stays(dpkg: Told) -> None:
    packages.POLICY.write_text("#!/bin/sh\nexit 0\n")
    wanted().put_right()
    assert packages.POLICY.read_text() == "#!/bin/sh\nexit 0\n"
    assert dpkg


@pytest.fixture
def installing(dpkg: Told) -> Iterator[subprocess.Popen[str]]:
    """Another program that holds dpkg's lock until its input ends."""
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(packages.LOCK)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
    assert dpkg


def test_another_installation_is_waited_for_but_not_for_ever(
    installing: subprocess.Popen[str], dpkg: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LOCK_LIMIT_S", 1)
    with pytest.raises(Fault, match="another program has been installing for 1 s"):
        wanted().put_right()
    assert dpkg == ["unpack /there read-it"]
    assert not packages.POLICY.exists()

    monkeypatch.setattr(packages, "LOCK_LIMIT_S", 100)
    assert installing.stdin is not None
    installing.stdin.close()
    wanted().put_right()
    assert dpkg[-1].startswith("apt-get install")
    descriptor = os.open(packages.LOCK, os.O_RDWR)
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
