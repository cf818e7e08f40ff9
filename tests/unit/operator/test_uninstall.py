"""Taking away as pyinfra runs it, and what is refused before anything is."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State

from tests.unit.hosts.fleet import Fleet, changed, failed, fleet_of_this_machine
from tests.unit.hosts.program import needs_root
from tests.unit.operator.sites import load
from tomobeam_deploy.hosts import uninstall
from tomobeam_deploy.hosts.resources import File, Folder
from tomobeam_deploy.hosts.uninstall import Agreed, Refused, take_away

HOSTS = ("control", "storage", "web")


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with fleet_of_this_machine() as made:
        yield made


def run(hosts: Mapping[str, Sequence[Folder | File]], *, dry: bool = False) -> State:
    """One run, in which something goes from each host."""
    data = {"fake_delay": 0, "fake_delay_jitter": 0}
    inventory = Inventory(([f"@fake/{name}" for name in hosts], data))
    state = State(inventory, Config(), check_for_changes=dry)
    connect_all(state)
    for host in inventory:
        goes = hosts[host.name.removeprefix("@fake/")]
        add_op(state, take_away, goes=goes, name="take away", host=host)
    if not dry:
        run_ops(state)
    return state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "etc"
    made.mkdir()
    (made / "x").write_text("x")
    return made


@needs_root
def test_a_plan_says_what_goes_and_changes_nothing(
    fleet: Fleet, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pyinfra")
    goes = [File.text(f"{folder}/x", "x"), File.text(f"{folder}/y", ""), Folder(str(folder))]
    state = run({"web": goes}, dry=True)
    assert changed(state) == [("web", 1)]
    assert [do for _, do in fleet.executed] == ["remains"]
    assert f"{folder}/x: goes" in caplog.text
    assert f"{folder}/y: goes" not in caplog.text
    assert (folder / "x").exists()


@needs_root
def test_what_is_left_goes_and_another_run_changes_nothing(fleet: Fleet, folder: Path) -> None:
    goes = [File.text(f"{folder}/x", "x"), Folder(str(folder))]
    assert failed(run({"web": goes, "storage": []})) == []
    assert fleet.executed == [("web", "remains"), ("web", "remove")]
    assert not folder.exists()
    fleet.executed.clear()
    run({"web": goes})
    assert fleet.executed == [("web", "remains")]


@needs_root
def test_a_host_that_fails_keeps_no_other_from_it(fleet: Fleet, folder: Path) -> None:
    fleet.answers["storage"] = lambda *_: (False, [], ["no route"])
    goes = [Folder(str(folder))]
    state = run({"storage": goes, "web": goes})
    assert failed(state) == ["storage"]
    assert not folder.exists()


@needs_root
def test_what_cannot_go_fails_its_host_with_a_sentence(
    fleet: Fleet, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pyinfra")
    state = run({"web": [File.text(str(folder), "")], "storage": []})
    assert failed(state) == ["web"]
    assert f"{folder}: is a folder; move it away" in caplog.text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def asked(
    monkeypatch: pytest.MonkeyPatch,
    role: str | None,
    delete: str | None = None,
    *,
    typed: str | None = None,
    limit: tuple[str, ...] = (),
) -> Agreed:
    """Ask as for a run on the lab's hosts; `typed` is what the operator does, on a terminal."""
    inventory = Inventory(([*HOSTS], {}))
    state = State()
    hosts = [inventory.get_host(name) for name in limit]
    state.init(inventory, Config(), initial_limit=hosts or None)
    monkeypatch.setattr("sys.stdin", io.StringIO() if typed is None else Terminal(typed))
    return uninstall.agreed(state, load(), role, delete)


def test_roles_go_in_their_order_and_data_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    names = "tiled,webapp,ingester,worker"
    order, deletes = asked(monkeypatch, names)
    assert (order[-1], sorted(order)) == ("tiled", sorted(names.split(",")))
    assert deletes is False
    assert asked(monkeypatch, "webapp", "no") == (["webapp"], False)


def test_data_goes_if_the_roles_name_is_typed_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, "webapp", "yes", typed="webapp\n") == (["webapp"], True)
    said = capsys.readouterr().err
    assert said == "This deletes the data of webapp on lab for good. Type webapp: "


@pytest.mark.parametrize(
    ("role", "delete", "typed", "sentence"),
    [
        (None, None, None, "say which role is to go: --data role=webapp"),
        ("", None, None, "say which role is to go: --data role=webapp"),
        ("webapp", "ja", None, "--data delete=ja: is neither yes nor no"),
        ("webapp", "yes", None, "data is deleted for good only on a terminal"),
        ("webapp", "yes", "\n", "that is not its name; nothing was deleted"),
        ("webapp", "yes", "", "that is not its name; nothing was deleted"),
        ("webapp", "yes", "yes\n", "that is not its name; nothing was deleted"),
        ("base", None, None, "role: base is what makes a host one of the site; it stays"),
    ],
)
def test_what_is_not_clear_or_not_agreed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    role: str | None,
    delete: str | None,
    typed: str | None,
    sentence: str,
) -> None:
    with pytest.raises(Refused) as error:
        asked(monkeypatch, role, delete, typed=typed)
    assert str(error.value).startswith(sentence)


def test_data_goes_only_together_with_its_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    names = "webapp,ingester,worker,tiled"
    with pytest.raises(Refused) as error:
        asked(monkeypatch, names, "yes", typed=f"{names}\n", limit=("storage",))
    assert str(error.value) == (
        "tiled_authn, tiled_catalog: control has these databases; --limit leaves it out"
    )
    both = ("storage", "control")
    assert asked(monkeypatch, names, "yes", typed=f"{names}\n", limit=both)[1] is True


def test_the_operator_is_asked_once_for_all_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    state = State()
    state.init(Inventory(([*HOSTS], {})), Config())
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    for _host in HOSTS:
        with pytest.raises(Refused, match="that is not its name"):
            uninstall.agreed(state, load(), "webapp", "yes")
    monkeypatch.setattr("sys.stdin", Terminal("webapp\n"))
    with pytest.raises(Refused):
        uninstall.agreed(state, load(), "webapp", "yes")
