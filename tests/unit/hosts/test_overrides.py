"""What overrides a unit besides what the deploy wrote: found, taken away, and not run with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.hosts.systemd import UNIT, Systemd, start
from tomobeam_deploy.on_host import units
from tomobeam_deploy.renderers.systemd import overriding

OURS, FOREIGN = "50-tomobeam.conf", ("override.conf", "zz by hand.conf")


class Places:
    """Where systemd looks for what overrides a unit, in a folder; one of them is ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.patterns = [f"{folder}{pattern}" for pattern in overriding(UNIT)]
        self.own = self.write(f"etc/systemd/system/{UNIT}.d/{OURS}")

    def write(self, name: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[Service]\n")
        return str(path)

    def overrides(self) -> units.Overrides:
        return units.Overrides(unit=UNIT, own=[self.own], places=self.patterns)

    def asked(self) -> units.Unit:
        return units.Unit(name=UNIT, files=self.patterns, links=[])

    def start(self) -> None:
        start(self.folder, tuple(map(Path, self.patterns)))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_what_overrides_a_unit_can_stand_in_many_places() -> None:
    assert overriding("caddy.service") == (
        "/etc/systemd/system*/caddy.service",
        "/etc/systemd/system*/caddy.service.d/*.conf",
        "/run/systemd/system*/caddy.service",
        "/run/systemd/system*/caddy.service.d/*.conf",
    )
    assert {
        "/etc/systemd/system*/a-b@.service",
        "/etc/systemd/system*/a-b@1-c.service.d/*.conf",
        "/etc/systemd/system*/a-b@.service.d/*.conf",
        "/etc/systemd/system*/a-.service.d/*.conf",
    } < set(overriding("a-b@1-c.service"))


@pytest.mark.parametrize(
    "name",
    [
        f"etc/systemd/system/{UNIT}",
        *(f"etc/systemd/system/{UNIT}.d/{name}" for name in FOREIGN),
        f"run/systemd/system/{UNIT}.d/{OURS}",
        f"etc/systemd/system.control/{UNIT}.d/50-MemoryMax.conf",
        f"run/systemd/system.control/{UNIT}.d/50-MemoryMax.conf",
        "etc/systemd/system/tomobeam-.service.d/all.conf",
    ],
)
def test_what_overrides_a_unit_besides_ours_goes_and_the_unit_starts_anew(
    host: Systemd, places: Places, name: str
) -> None:
    places.start()
    assert places.overrides().differences() == []
    assert not places.overrides().remains()
    path = places.write(name)
    assert places.overrides().differences() == [f"{path} is there"]
    assert places.overrides().remains()
    assert places.asked().differences() == ["was started with something else"]

    places.overrides().put_right()
    assert places.overrides().differences() == []
    assert not Path(path).exists()
    assert Path(places.own).exists()
    # Whatever it did to a unit that was not started since.
    assert places.asked().differences() == ["was started with something else"]
    assert host.told == []


@pytest.mark.usefixtures("host")
def test_what_overrode_a_unit_at_its_start_shows_when_it_is_gone(places: Places) -> None:
    paths = [places.write(f"etc/systemd/system/{UNIT}.d/{name}") for name in FOREIGN]
    places.start()
    assert places.asked().differences() == []
    Path(paths[0]).unlink()
    assert places.asked().differences() == ["was started with something else"]


@pytest.mark.usefixtures("host")
def test_what_does_not_override_the_unit_stays(places: Places) -> None:
    for name in (
        f"lib/systemd/system/{UNIT}.d/vendor.conf",
        f"etc/systemd/system/{UNIT}.d/notes.txt",
        f"etc/systemd/system/{UNIT}.d/folder.conf/x",
        "etc/systemd/system/service.d/all.conf",
        "etc/systemd/system/tomobeam-y.service.d/x.conf",
    ):
        places.write(name)
    assert places.overrides().differences() == []


@pytest.mark.usefixtures("host")
def test_a_link_to_nothing_overrides_too(places: Places) -> None:
    link = places.folder / f"etc/systemd/system/{UNIT}.d/vendor.conf"
    link.symlink_to("/dev/null/nothing")
    assert places.overrides().differences() == [f"{link} is there"]
    places.overrides().take_away()
    assert not link.is_symlink()
