"""What the host of a service knows of its databases' schemas, and when it is told more."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.unit.hosts.fleet import Fleet, failed, fleet_of_this_machine
from tests.unit.hosts.program import needs_root
from tomobeam_deploy.hosts import resources
from tomobeam_deploy.hosts.operations import HostFault
from tomobeam_deploy.on_host import schemas
from tomobeam_deploy.on_host.running import Fault
from tomobeam_deploy.on_host.schemas import Schema

UNIT = "tomobeam-tiled-migrate.service"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The units that were run."""
    units: list[str] = []
    monkeypatch.setattr(schemas, "start", units.append)
    return units


def release(folder: Path, **known: list[str]) -> Path:
    folder.mkdir()
    (folder / "release.json").write_text(json.dumps({"schema": known}))
    return folder


def schema(folder: Path, stamp: Path, migrate: bool | None = None) -> Schema:
    return Schema(release=str(folder), stamp=str(stamp), unit=UNIT, migrate=migrate)


def test_it_is_compared_with_what_is_remembered(tmp_path: Path, started: list[str]) -> None:
    first = release(tmp_path / "1", authn=["a"], catalog=["c1", "c0"])
    second = release(tmp_path / "2", authn=["a"], catalog=["c2", "c1", "c0"])
    stamp = tmp_path / "etc/schema.json"
    assert schema(tmp_path / "none", stamp).differences() == ["its release is not there yet"]
    assert schema(first, stamp).differences() == ["is not known here yet"]
    schema(first, stamp, migrate=False).put_right()
    assert schema(first, stamp).differences() == []
    assert schema(second, stamp).differences() == [
        "catalog is of revision c1, its release wants c2"
    ]
    assert started == []
    schema(second, stamp, migrate=True).put_right()
    assert started == [UNIT]
    assert schema(second, stamp).differences() == []


def test_after_half_a_migration_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(unit: str) -> None:
        raise Fault(f"{unit} fails")

    monkeypatch.setattr(schemas, "start", fail)
    old, new = release(tmp_path / "1", catalog=["c1"]), release(tmp_path / "2", catalog=["c2"])
    stamp = tmp_path / "schema.json"
    schema(old, stamp, migrate=False).put_right()
    with pytest.raises(Fault, match=f"^{UNIT} fails$"):
        schema(new, stamp, migrate=True).put_right()
    assert schema(old, stamp).differences() == ["is not known here yet"]


def test_nobody_migrates_before_the_databases_were_asked(
    tmp_path: Path, started: list[str]
) -> None:
    stamp = tmp_path / "schema.json"
    with pytest.raises(Fault, match="try again"):
        schema(release(tmp_path / "1", catalog=["c1"]), stamp).put_right()
    assert started == []
    assert not stamp.exists()


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with fleet_of_this_machine() as made:
        yield made


def wanted(folder: Path, stamp: Path, first: Any) -> list[list[resources.Resource]]:
    schema = resources.Schema("tiled", str(folder), str(stamp), UNIT, first)
    return [[resources.Folder(str(stamp.parent / "before")), schema]]


@needs_root
def test_only_where_it_differs_the_databases_are_asked_and_before_anything_is_done(
    fleet: Fleet, tmp_path: Path
) -> None:
    asked = []

    def first(_state: object, host: object) -> dict[str, Any]:
        asked.append((str(host), (tmp_path / "before").exists()))
        return {"migrate": False}

    steps = wanted(release(tmp_path / "1", catalog=["c1"]), tmp_path / "schema.json", first)
    fleet.deploy({"storage": steps}, dry=True)
    assert asked == []
    fleet.deploy({"storage": steps})
    assert asked == [("@fake/storage", False)]
    assert json.loads((tmp_path / "schema.json").read_text()) == {"catalog": "c1"}
    fleet.deploy({"storage": steps})
    assert len(asked) == 1


@needs_root
def test_a_host_whose_databases_may_not_change_fails_and_nothing_is_done(
    fleet: Fleet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def first(_state: object, _host: object) -> NoReturn:
        raise HostFault("a newer release migrated it")

    steps = wanted(release(tmp_path / "1", catalog=["c1"]), tmp_path / "schema.json", first)
    caplog.set_level(logging.DEBUG, "pyinfra")
    state = fleet.deploy({"storage": steps, "web": []})
    assert failed(state) == ["storage"]
    assert "schema of tiled: a newer release migrated it" in caplog.text
    assert not (tmp_path / "before").exists()
