"""`tomobeam-notify` and `tomobeam-reconstruct --notify` against the platform's broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stomp.utils import Frame

from tests.services.broker.clients import Client, text
from tests.services.reconstruction.producers import LIMIT_S, Producer, consumer
from tests.support.platform import Platform
from tests.support.waiting import wait_for
from tomobeam_reconstruction.acquire import Acquisition
from tomobeam_reconstruction.scan_file import write_scan
from tomobeam_reconstruction.specimens import make_specimen


def receive(client: Client, count: int) -> list[Frame]:
    return [client.messages.get(timeout=LIMIT_S) for _ in range(count)]


def bodies(frames: list[Frame]) -> list[dict[str, Any]]:
    return [json.loads(text(frame)) for frame in frames]


@pytest.fixture
def broker_up(platform: Platform) -> Platform:
    """The broker runs again, whatever the test before did to it."""
    platform.start("broker")
    return platform


def test_the_message_is_what_existing_consumers_read(
    producer: Producer, broker_up: Platform
) -> None:
    path = producer.scan("x")
    with consumer(broker_up) as client:
        code, said = producer.run(
            "tomobeam-notify", path, "--count", 48, "--scan", "i13-77", "--proposal", "mg1"
        )
        (frame,) = receive(client, 1)
    assert (code, said) == (0, f"sent: {path} COMPLETE\n")
    assert bodies([frame]) == [
        {
            "filePath": str(path),
            "status": "COMPLETE",
            "scan": "i13-77",
            "proposal": "mg1",
            "imageCount": 48,
        }
    ]
    assert not list(producer.spool.glob("*.json"))


def test_broker_killed_and_back(producer: Producer, broker_up: Platform) -> None:
    broker_up.kill("broker")
    for name in ("a", "b"):
        code, said = producer.run("tomobeam-notify", producer.scan(name))
        assert code == 3
        assert "does not answer" in said
        assert "kept in" in said
    broker_up.start("broker")
    with consumer(broker_up) as client:
        assert producer.run("tomobeam-notify", producer.scan("c"))[0] == 0
        sent = bodies(receive(client, 3))
    assert [Path(b["filePath"]).name[0] for b in sent] == ["a", "b", "c"]


def test_flush_sends_what_waits(producer: Producer, broker_up: Platform) -> None:
    broker_up.kill("broker")
    producer.run("tomobeam-notify", producer.scan("a"))
    assert producer.run("tomobeam-notify", "--flush")[0] == 3
    broker_up.start("broker")
    with consumer(broker_up) as client:
        assert producer.run("tomobeam-notify", "--flush") == (0, "1 sent\n")
        receive(client, 1)
    assert producer.run("tomobeam-notify", "--flush") == (0, "0 sent\n")


def test_a_broker_that_comes_up_in_between(producer: Producer, broker_up: Platform) -> None:
    broker_up.kill("broker")
    path = producer.scan("a")
    waiting = producer.start("tomobeam-notify", path, TOMOBEAM_NOTIFY_TRIES="12")
    wait_for(lambda: list(producer.spool.glob("*.json")), "the message in the spool")
    broker_up.start("broker")
    with consumer(broker_up) as client:
        waiting.communicate(timeout=LIMIT_S)
        receive(client, 1)
    assert waiting.returncode == 0


def test_many_at_once_send_each_message_once(producer: Producer, broker_up: Platform) -> None:
    names = [f"s{k}" for k in range(6)]
    with consumer(broker_up) as client:
        calls = [producer.start("tomobeam-notify", producer.scan(name)) for name in names]
        for call in calls:
            call.communicate(timeout=LIMIT_S)
            assert call.returncode == 0
        sent = bodies(receive(client, len(names)))
        assert client.messages.empty()
    assert sorted(Path(b["filePath"]).name.split("_")[0] for b in sent) == names


def test_a_refused_login_is_said_without_the_password(
    producer: Producer, broker_up: Platform
) -> None:
    code, said = producer.run(
        "tomobeam-notify", producer.scan("a"), TOMOBEAM_BROKER_PASSWORD="wrong-one"
    )
    assert code == 3
    assert "refuses" in said
    assert "wrong-one" not in said
    assert said.count("\n") == 1
    with consumer(broker_up) as client:
        assert producer.run("tomobeam-notify", "--flush")[0] == 0
        receive(client, 1)


def test_a_spoilt_message_holds_no_one_up(producer: Producer, broker_up: Platform) -> None:
    producer.spool.mkdir()
    spoilt = producer.spool / f"{1:010d}-{'0' * 32}.json"
    spoilt.write_text("{")
    with consumer(broker_up) as client:
        assert producer.run("tomobeam-notify", producer.scan("a"))[0] == 0
        receive(client, 1)
    assert spoilt.with_suffix(".bad").read_text() == "{"


def test_a_reconstruction_announces_itself(producer: Producer, broker_up: Platform) -> None:
    projections = producer.folder / "i12_5.nxs"
    write_scan(projections, make_specimen("beads", 64, 3), Acquisition(angles=40))
    with consumer(broker_up) as client:
        code, said = producer.run(
            "tomobeam-reconstruct", projections, producer.folder / "store", "--notify"
        )
        (sent,) = bodies(receive(client, 1))
    assert code == 0, said
    process_file = Path(sent.pop("filePath"))
    assert process_file.exists()
    assert len(list(process_file.parent.glob("TiffSaver_*/*.tiff"))) == 3
    assert sent == {
        "status": "COMPLETE",
        "scan": "i12_5",
        "imageCount": 3,
        "producer": "tomobeam",
        "pixelSize": 3.25,
    }


def test_a_reconstruction_whose_broker_is_down_is_kept(
    producer: Producer, broker_up: Platform
) -> None:
    projections = producer.folder / "i12_6.nxs"
    write_scan(projections, make_specimen("rock", 64, 2), Acquisition(angles=40))
    broker_up.kill("broker")
    code, said = producer.run(
        "tomobeam-reconstruct", projections, producer.folder / "store", "--notify"
    )
    assert code == 3
    assert "kept in" in said
    assert list((producer.folder / "store").glob("*/i12_6_processed.nxs"))
