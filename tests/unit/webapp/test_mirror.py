"""The lists that every process of the page answers from."""

from __future__ import annotations

import threading

from tomobeam_webapp.live import mirror as mirror_module
from tomobeam_webapp.live.mirror import Mirror


def test_the_version_grows_by_changes_only(engine) -> None:
    mirror = Mirror(engine)
    assert not mirror.state("scans").loaded
    mirror.replace("scans", [])
    assert mirror.state("scans").loaded
    before = mirror.state("scans").version
    mirror.replace("scans", [("a", {"n": 1}), ("b", {"n": 2})])
    one = mirror.state("scans").version
    mirror.replace("scans", [("a", {"n": 1}), ("b", {"n": 2})])
    mirror.put("scans", "b", {"n": 2})
    assert mirror.state("scans").version == one > before
    mirror.put("scans", "b", {"n": 3})
    assert mirror.state("scans").version > one


def test_documents_come_in_the_order_of_the_source(engine) -> None:
    mirror = Mirror(engine)
    mirror.replace("scans", [("b", {}), ("a", {})])
    mirror.put("scans", "c", {})
    assert list(mirror.entries("scans")) == ["b", "a", "c"]
    mirror.replace("scans", [("c", {}), ("a", {})])
    assert list(mirror.entries("scans")) == ["c", "a"]


def test_another_process_sees_what_one_writes(engine) -> None:
    writer, reader = Mirror(engine), Mirror(engine)
    writer.replace("scans", [("a", {"n": 1})])
    assert reader.entries("scans") == {"a": {"n": 1}}
    writer.put("scans", "a", {"n": 2})
    assert reader.entries("scans") == {"a": {"n": 2}}


def test_a_fault_keeps_the_documents_and_goes_with_the_next_answer(engine) -> None:
    mirror = Mirror(engine)
    mirror.replace("scans", [("a", {})])
    mirror.fault("scans", "It is away.")
    assert mirror.state("scans").fault == "It is away."
    assert "a" in mirror.entries("scans")
    mirror.replace("scans", [("a", {})])
    assert mirror.state("scans").fault is None


def test_a_watcher_that_fell_silent_is_said(engine, monkeypatch) -> None:
    mirror = Mirror(engine)
    mirror.replace("scans", [])
    monkeypatch.setattr(mirror_module, "SILENT_S", -1.0)
    assert mirror.state("scans").fault == "The page is not being kept up to date."


def test_writers_at_the_same_time_lose_nothing(engine) -> None:
    mirror = Mirror(engine)

    def write(number: int) -> None:
        for i in range(5):
            mirror.put("jobs", f"{number}-{i}", {})

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mirror.entries("jobs")) == 20
