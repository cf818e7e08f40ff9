"""What a host takes away of a role, and what it leaves alone, by the program that it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.hosts.program import needs_root
from tomobeam_deploy.hosts.brought import Bundle, Packages
from tomobeam_deploy.hosts.resources import (
    Account,
    Answers,
    Command,
    File,
    Folder,
    Link,
    Masked,
    Ran,
    Resource,
    SharedGroup,
)
from tomobeam_deploy.on_host import COMMAND, Do, main, orders, units
from tomobeam_deploy.packages import Repository


def send(do: Do, *resources: Resource) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *COMMAND[1:]],
        input=orders(do, [resource.wanted() for resource in resources]),
        capture_output=True,
        text=True,
        check=False,
    )


def remains(*resources: Resource) -> list[str]:
    done = send("remains", *resources)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["remains"]


@pytest.fixture
def installed(tmp_path: Path) -> list[Resource]:
    """A role's things, in the order in which they go; they are all there."""
    etc, opt = tmp_path / "etc", tmp_path / "opt"
    (etc / "secrets").mkdir(parents=True)
    (etc / "secrets/key").write_text("old")
    (etc / "secrets/a-secret-of-an-earlier-release").write_text("older")
    (etc / "ran").write_text("0123")
    (etc / "tiled.yml").write_text("edited by hand")
    (opt / "releases/1/bin").mkdir(parents=True)
    (opt / "current").symlink_to("releases/1")
    return [
        Ran("x-prepare.service", f"{etc}/ran", "4567"),
        File.text(f"{etc}/tiled.yml", "new"),
        File.text(f"{etc}/secrets/key", "new", mode=0o600),
        Link(f"{opt}/current", "releases/1"),
        Bundle("release", f"{opt}/releases/2", Path, "", home=str(opt)),
        Folder(f"{etc}/secrets", 0o700),
        Folder(str(etc)),
    ]


@needs_root
def test_everything_goes_whatever_became_of_it(installed: list[Resource], tmp_path: Path) -> None:
    titles = [resource.title for resource in installed]
    assert remains(*installed) == titles
    done = send("remove", *installed)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == titles
    assert list(tmp_path.iterdir()) == []


@needs_root
def test_going_again_changes_nothing_and_finishes_what_was_killed(
    installed: list[Resource],
) -> None:
    first, *rest = installed
    send("remove", first)
    assert remains(*installed) == [resource.title for resource in rest]
    send("remove", *installed)
    done = send("remove", *installed)
    assert (done.returncode, done.stderr) == (0, "")
    assert remains(*installed) == []


def test_what_others_may_use_never_remains_to_go(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    everything = [
        Packages(("dpkg",), lambda: Repository("0" * 16, Path(), ())),
        SharedGroup("root", 0),
        Account("root", 0, "/root"),
        Masked("apt-daily.timer"),
        Command("well", "true", "true"),
        Answers("tcp://127.0.0.1:1", "x.service"),
        Bundle("packed", f"{tmp_path}/x", Path, ""),
    ]
    assert remains(*everything) == []


def test_a_file_that_became_a_folder_is_left_to_a_person(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    done = send("remove", File.text(f"{tmp_path}/x", ""))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"{tmp_path}/x: is a folder; move it away"
    assert (tmp_path / "x").is_dir()


@pytest.mark.parametrize("levels_up", [0, 1])
def test_a_disk_is_not_emptied_by_removing_its_folder(small_disk: Path, levels_up: int) -> None:
    folder = [small_disk, small_disk.parent][levels_up]
    (small_disk / "data").touch()
    done = send("remove", Folder(str(folder)))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"{folder}: a disk is mounted at {small_disk}; unmount it, which keeps what is on it"
    )
    assert (small_disk / "data").exists()


@needs_root
def test_a_link_to_a_folder_goes_and_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/kept").touch()
    (tmp_path / "link").symlink_to("data")
    assert send("remove", Link(f"{tmp_path}/link", "elsewhere")).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (tmp_path / "data/kept").exists()


class Systemd:
    """Knows one unit, and remembers what it was told."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, **properties: str) -> None:
        self.properties = {"UnitFileState": "enabled", "ActiveState": "active"} | properties
        self.told: list[str] = []
        self.stops = True
        for module in (units, main):
            patch.setattr(module, "run", self.run)
        patch.setattr(units, "STARTED", folder)
        patch.setattr(main, "LOCK", str(folder / "lock"))

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if argv[1] == "show":
            names = argv[3].removeprefix("--property=").split(",")
            found = {name: self.properties[name] for name in names if name in self.properties}
            shown = "".join(f"{name}={value}\n" for name, value in found.items())
            return subprocess.CompletedProcess(argv, 0, shown, "")
        self.told.append(" ".join(argv[1:]))
        if argv[1] == "disable" and self.properties["UnitFileState"] == "enabled":
            self.properties["UnitFileState"] = "disabled"
        if argv[1] == "stop" and self.stops:
            self.properties["ActiveState"] = "inactive"
        return subprocess.CompletedProcess(argv, 0, "", "")


def remove(unit: str) -> None:
    wanted = {"kind": "unit", "title": unit, "name": unit, "files": [], "links": []}
    main.main({"do": "remove", "resources": [wanted]})


def test_a_unit_stops_for_good_and_what_it_recorded_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = Systemd(monkeypatch, tmp_path)
    (tmp_path / "x.service").write_text("what it was started with")
    remove("x.service")
    assert host.told == [
        "disable x.service",
        "stop x.service",
        "reset-failed x.service",
        "daemon-reload",
    ]
    assert not (tmp_path / "x.service").exists()


def test_with_a_timer_goes_what_it_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    host = Systemd(monkeypatch, tmp_path, Unit="x.service")
    remove("x.timer")
    assert "stop x.timer x.service" in host.told


@pytest.mark.parametrize(
    ("state", "active", "remains"),
    [
        ("disabled", "inactive", False),
        ("", "inactive", False),
        # Those of Debian's clusters are: a generator makes them anew with every reload.
        ("enabled-runtime", "inactive", False),
        ("enabled-runtime", "active", True),
        ("enabled", "inactive", True),
        ("disabled", "failed", True),
        ("static", "activating", True),
    ],
)
def test_a_unit_remains_while_it_runs_or_would_start_with_the_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, active: str, remains: bool
) -> None:
    Systemd(monkeypatch, tmp_path, UnitFileState=state, ActiveState=active)
    assert units.Unit(name="x.service", files=[], links=[]).remains() is remains


def test_a_unit_that_does_not_stop_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = Systemd(monkeypatch, tmp_path)
    host.stops = False
    with pytest.raises(SystemExit, match=r"^x\.service: could not be taken away$"):
        remove("x.service")
