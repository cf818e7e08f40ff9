"""In which order databases are saved before their schemas change, and what is refused."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field

import pytest

from tomobeam_deploy.hosts import schemas
from tomobeam_deploy.hosts.asking import Unreached
from tomobeam_deploy.hosts.databases import (
    Contents,
    dump_script,
    restore_script,
    room_script,
    since_script,
    state_script,
)
from tomobeam_deploy.hosts.operations import HostFault
from tomobeam_deploy.hosts.schemas import Databases, settle

AUTHN, CATALOG = NAMES = ("tiled_authn", "tiled_catalog")
UNIT = "tomobeam-tiled.service"
FOLDER = "/opt/tomobeam/tiled/releases/0.1.0-new"
OF = Databases("tiled", UNIT, FOLDER, "control", NAMES)
OLD = [
    f"/var/backups/tomobeam/{AUTHN}-a1-20261101T120000.000Z.dump",
    f"/var/backups/tomobeam/{CATALOG}-c1-20261101T120000.000Z.dump",
]
OLDER = [path.replace("1101", "1009") for path in OLD]
KNOWN = {AUTHN: ["a1"], CATALOG: ["c1", "c0"]}


@dataclass
class Hosts:
    """Answers as hosts would, and remembers what they were asked; what `breaks` fails."""

    found: dict[str, str]
    dumps: list[str] = field(default_factory=list)
    schema: dict[str, list[str]] | None = field(default_factory=lambda: KNOWN)
    breaks: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, host: str, script: str, argument: str, stdin: str) -> str:
        assert (argument, stdin) == ("", "")
        name, answer = self._scripts()[script]
        self.asked.append((host, name))
        if name == self.breaks:
            raise Unreached("the disk is full")
        return answer

    def _scripts(self) -> dict[str, tuple[str, str]]:
        """By what is run there: its name here, and what it prints."""
        state = "\n".join([*(f"{n} {self.found.get(n, '')}" for n in NAMES), *self.dumps])
        dumps = Contents.read(state).dumps_of({name: KNOWN[name][0] for name in NAMES})
        scripts = {
            f"cat {FOLDER}/release.json": ("release", json.dumps({"schema": self.schema})),
            state_script(NAMES): ("state", state),
            room_script(NAMES): ("room", ""),
            f"systemctl stop {UNIT}": ("stop", ""),
            f"systemctl start {UNIT}": ("start", ""),
            dump_script(NAMES): ("dump", "/var/backups/tomobeam/x.dump\n"),
            restore_script(dumps): ("restore", ""),
        }
        for dump in dumps.values():
            scripts[since_script(NAMES, dump.time)] = ("since", "new nodes: 12\n")
        return scripts

    @property
    def done(self) -> list[str]:
        """What they did after they were looked at."""
        assert self.asked[:2] == [("storage", "release"), ("control", "state")]
        return [f"{host}: {name}" for host, name in self.asked[2:]]


@pytest.fixture(autouse=True)
def _command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "command_line", lambda: {"inventory": "inventories/i13"})


@pytest.mark.parametrize("found", [{}, {AUTHN: "a1", CATALOG: "c1"}])
def test_what_is_new_or_as_it_has_to_be_is_left_alone(found: dict[str, str]) -> None:
    hosts = Hosts(found)
    assert settle(OF, False, hosts, "storage") is False
    assert hosts.done == []


def test_an_older_schema_is_dumped_while_nobody_writes_and_then_migrated() -> None:
    hosts = Hosts({AUTHN: "a1", CATALOG: "c0"})
    assert settle(OF, False, hosts, "storage") is True
    assert hosts.done == ["control: room", "storage: stop", "control: dump"]


def test_without_room_for_a_dump_the_service_goes_on() -> None:
    hosts = Hosts({AUTHN: "a1", CATALOG: "c0"}, breaks="room")
    with pytest.raises(HostFault, match=r"^control: the disk is full$"):
        settle(OF, False, hosts, "storage")
    assert hosts.done == ["control: room"]


def test_a_service_whose_databases_cannot_be_dumped_is_started_again() -> None:
    hosts = Hosts({AUTHN: "a1", CATALOG: "c0"}, breaks="dump")
    with pytest.raises(HostFault, match=r"^control: the disk is full$"):
        settle(OF, False, hosts, "storage")
    assert hosts.done == ["control: room", "storage: stop", "control: dump", "storage: start"]


@pytest.mark.parametrize("restore", [False, True])
def test_a_newer_schema_without_a_dump_of_the_older_is_refused(restore: bool) -> None:
    # Of one database only, or not of the same time.
    hosts = Hosts({AUTHN: "a1", CATALOG: "c2"}, [OLD[1], OLDER[0]])
    with pytest.raises(HostFault) as refused:
        settle(OF, restore, hosts, "storage")
    assert str(refused.value) == (
        "tiled_catalog is of revision c2, to which a newer release migrated it, and 0.1.0-new of "
        "tiled works with c1; control has no dump of that; deploy a release that knows what there "
        "is"
    )
    assert hosts.done == []


def test_a_newer_schema_is_refused_with_all_that_is_to_be_known() -> None:
    hosts = Hosts({AUTHN: "a1", CATALOG: "c2"}, [*OLDER, *OLD])
    with pytest.raises(HostFault) as refused:
        settle(OF, False, hosts, "storage")
    assert str(refused.value) == (
        "tiled_catalog is of revision c2, to which a newer release migrated it, and 0.1.0-new of "
        f"tiled works with c1. They can become what was dumped ({' '.join(OLD)}), and then what "
        "was written since 2026-11-01 12:00:00 UTC is lost (new nodes: 12), by: "
        ".venv/bin/tomobeam-site rollback inventories/i13 --service tiled --release 0.1.0-new "
        "--restore"
    )
    assert hosts.done == ["control: since"]


def test_what_cannot_be_counted_is_lost_all_the_same() -> None:
    hosts = Hosts({AUTHN: "a1", CATALOG: "c2"}, OLD, breaks="since")
    with pytest.raises(HostFault, match="2026-11-01 12:00:00 UTC is lost, by: "):
        settle(OF, False, hosts, "storage")


def test_an_older_dump_is_loaded_where_that_is_wanted_and_what_there_was_is_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "pyinfra")
    hosts = Hosts({AUTHN: "a1", CATALOG: "c2"}, OLD)
    assert settle(OF, True, hosts, "storage") is False
    assert hosts.done == [
        "control: room",
        "storage: stop",
        "control: dump",
        "control: since",
        "control: restore",
    ]
    assert "tiled: dumped on control: /var/backups/tomobeam/x.dump" in caplog.text
    assert f"{OLD[1]} is loaded; what was written since" in caplog.text
    assert "(new nodes: 12)" in caplog.text


def test_a_service_whose_dump_cannot_be_loaded_is_started_again() -> None:
    hosts = Hosts({AUTHN: "a1", CATALOG: "c2"}, OLD, breaks="restore")
    with pytest.raises(HostFault, match=r"^control: the disk is full$"):
        settle(OF, True, hosts, "storage")
    assert hosts.done[-2:] == ["control: restore", "storage: start"]


def test_a_release_that_does_not_say_its_schema_is_refused() -> None:
    for schema in (None, {AUTHN: ["a1"]}):
        hosts = Hosts({}, schema=schema)
        with pytest.raises(HostFault, match=r"0\.1\.0-new of tiled does not say which schema of "):
            settle(OF, True, hosts, "storage")
        assert hosts.asked == [("storage", "release")]
