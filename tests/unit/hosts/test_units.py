"""When a unit is enabled, started anew or left alone; the lab has the real systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.hosts.systemd import UNIT, Systemd, start
from tomobeam_deploy.on_host import units
from tomobeam_deploy.on_host.running import Fault
from tomobeam_deploy.renderers import systemd


def unit(*files: Path, links: tuple[Path, ...] = ()) -> units.Unit:
    return units.Unit(name=UNIT, files=[str(f) for f in files], links=[str(x) for x in links])


@pytest.fixture
def reads(tmp_path: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Files and links that a unit reads; some are missing, or are something else."""
    there, empty = tmp_path / "settings.yml", tmp_path / "empty file"
    there.write_text("a: 1\n")
    empty.touch()
    link = tmp_path / "current"
    link.symlink_to("releases//1")
    folder = tmp_path / "folder"
    folder.mkdir()
    missing = tmp_path / "missing"
    return (there, missing, folder), (missing, link, there)


def test_both_sides_are_of_one_mind_about_where_it_is_recorded() -> None:
    assert str(units.STARTED) == systemd.STARTED


def test_what_a_unit_records_at_its_start_is_what_is_compared(
    host: Systemd, tmp_path: Path, reads: tuple[tuple[Path, ...], tuple[Path, ...]]
) -> None:
    files, links = reads
    asked = unit(*files, links=links)
    assert asked.differences() == ["was started with something else"]
    start(tmp_path, files, links)
    assert asked.differences() == []
    record = tmp_path / "started" / UNIT
    assert record.stat().st_mode & 0o777 == 0o600
    assert len(record.read_text().splitlines()) == 2
    assert host.told == []


@pytest.mark.parametrize("change", ["content", "appears", "vanishes", "turns", "link vanishes"])
def test_every_change_of_what_a_unit_reads_shows(
    host: Systemd,
    tmp_path: Path,
    reads: tuple[tuple[Path, ...], tuple[Path, ...]],
    change: str,
) -> None:
    files, links = reads
    start(tmp_path, files, links)
    match change:
        case "content":
            files[0].write_text("a: 2\n")
        case "appears":
            files[1].touch()
        case "vanishes":
            files[0].unlink()
        case "turns":
            links[1].unlink()
            links[1].symlink_to("releases//2")
        case "link vanishes":
            links[1].unlink()
    asked = unit(*files, links=links)
    assert asked.differences() == ["was started with something else"]
    asked.put_right()
    assert host.told == ["daemon-reload", f"reset-failed {UNIT}", f"restart {UNIT}"]


@pytest.mark.parametrize(
    ("found", "differences", "told"),
    [
        ({}, [], ["daemon-reload"]),
        ({"ActiveState": "reloading"}, [], ["daemon-reload"]),
        (
            {"UnitFileState": "disabled"},
            ["is disabled, not enabled"],
            ["daemon-reload", f"enable {UNIT}"],
        ),
        (
            {"UnitFileState": "static", "ActiveState": "failed"},
            ["is failed"],
            ["daemon-reload", f"reset-failed {UNIT}", f"restart {UNIT}"],
        ),
        (
            {"NeedDaemonReload": "yes"},
            ["its file changed since systemd read it"],
            ["daemon-reload", f"reset-failed {UNIT}", f"restart {UNIT}"],
        ),
        (
            {"UnitFileState": "disabled", "ActiveState": "inactive"},
            ["is disabled, not enabled", "is inactive"],
            ["daemon-reload", f"enable {UNIT}", f"reset-failed {UNIT}", f"restart {UNIT}"],
        ),
    ],
)
def test_a_unit_is_told_only_what_it_needs(
    host: Systemd, found: dict[str, str], differences: list[str], told: list[str]
) -> None:
    host.properties |= found
    asked = unit()
    assert asked.differences() == differences
    asked.put_right()
    assert host.told == told


@pytest.mark.parametrize("state", ["not-found", "masked", "bad-setting"])
def test_a_unit_that_cannot_be_is_said_to_be_so(host: Systemd, state: str) -> None:
    host.properties["LoadState"] = state
    assert unit().differences() == [f"is {state}"]


def test_a_unit_that_does_not_start_is_a_fault_with_its_log(host: Systemd) -> None:
    host.properties["ActiveState"] = "inactive"
    host.fails = {"restart"}
    with pytest.raises(Fault) as error:
        unit().put_right()
    assert str(error.value) == "does not start: Job failed.\nthe end of its log"


def test_a_unit_runs_once_for_each_fingerprint(host: Systemd, tmp_path: Path) -> None:
    stamp = tmp_path / "x/prepare.ran"

    def ran(fingerprint: str) -> units.Ran:
        return units.Ran(unit=UNIT, stamp=str(stamp), fingerprint=fingerprint)

    assert ran("1").differences() == ["never ran"]
    ran("1").put_right()
    assert ran("1").differences() == []
    assert ran("2").differences() == ["ran with something else"]
    host.fails = {"start"}
    with pytest.raises(Fault, match=r"^fails: Job failed\.\nthe end of its log$"):
        ran("2").put_right()
    assert ran("2").differences() == ["ran with something else"]
    assert host.told == ["daemon-reload", f"start {UNIT}"] * 2


def test_a_masked_unit_is_one_that_points_to_nothing(
    host: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "UNITS", tmp_path)
    masked = units.Masked(unit="apt-daily.timer")
    assert masked.differences() == ["is not masked"]
    (tmp_path / "apt-daily.timer").symlink_to("/dev/null")
    assert masked.differences() == []
    masked.put_right()
    assert host.told == ["disable --now apt-daily.timer", "mask apt-daily.timer"]
