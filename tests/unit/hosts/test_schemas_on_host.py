"""What the host of a service knows of its databases' schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
