from __future__ import annotations

import json
import multiprocessing
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tomobeam_reconstruction.notify_cli import app
from tomobeam_reconstruction.spool import Spool


def test_order_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for k in range(12):
        spool.put(f"message {k}")
    assert [p.read_text() for p in spool.waiting()] == [f"message {k}" for k in range(12)]
    spool.waiting()[0].unlink()
    spool.put("last")
    assert spool.waiting()[-1].read_text() == "last"


def _put_many(folder: Path, who: int) -> None:
    spool = Spool(folder)
    for k in range(20):
        spool.put(json.dumps([who, k]))


def test_processes_at_once_lose_nothing_and_keep_their_order(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_put_many, args=(tmp_path, who)) for who in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    messages = [json.loads(p.read_text()) for p in Spool(tmp_path).waiting()]
    assert len(messages) == 80
    for who in range(4):
        assert [k for w, k in messages if w == who] == list(range(20))
    numbers = [p.name[:10] for p in Spool(tmp_path).waiting()]
    assert len(set(numbers)) == 80


def test_what_is_no_message_is_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    path = spool.put("{")
    assert spool.set_aside(path).read_text() == "{"
    assert spool.waiting() == []


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of a broker that is down; returns the spool."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("TOMOBEAM_BROKER_PORT", str(probe.getsockname()[1]))
    for name, value in {"TRIES": "2", "PAUSE_S": "0.01", "SPOOL": str(tmp_path / "spool")}.items():
        monkeypatch.setenv(f"TOMOBEAM_NOTIFY_{name}", value)
    return tmp_path / "spool"


def test_broker_down_is_one_error_and_the_message_is_kept(nobody: Path, tmp_path: Path) -> None:
    path = tmp_path / "x_processed.nxs"
    path.touch()
    for count in (1, 2):
        result = CliRunner().invoke(app, [str(path), "--count", str(count), "--scan", "i13-1"])
        assert result.exit_code == 3
        assert "does not answer" in result.stderr
        plural = "s" if count > 1 else ""
        assert result.stderr.endswith(f"{count} message{plural} kept in {nobody}\n")
        assert result.stderr.count("\n") == 1
    bodies = [json.loads(p.read_text()) for p in Spool(nobody).waiting()]
    assert bodies == [
        {"filePath": str(path), "status": "COMPLETE", "scan": "i13-1", "imageCount": count}
        for count in (1, 2)
    ]
    result = CliRunner().invoke(app, ["--flush"])
    assert result.exit_code == 3


def test_neither_broker_nor_spool(nobody: Path, tmp_path: Path) -> None:
    nobody.write_text("a file where the folder should be")
    path = tmp_path / "x.nxs"
    path.touch()
    result = CliRunner().invoke(app, [str(path)])
    assert result.exit_code == 4
    assert "TOMOBEAM_NOTIFY_SPOOL" in result.stderr
    assert "lost" in result.stderr


def test_an_empty_spool_needs_no_broker(nobody: Path) -> None:
    result = CliRunner().invoke(app, ["--flush"])
    assert (result.exit_code, result.stdout) == (0, "0 sent\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "PATH: give either a path or --flush"),
        (["x.nxs", "--flush"], "PATH: give either a path or --flush"),
        (["nowhere.nxs"], "PATH: nowhere.nxs does not exist here"),
        (["x" * 300], "cannot be looked at: File name too long"),
        (["nowhere.nxs", "--state", "DONE"], "'DONE' is not one of"),
        (["nowhere.nxs", "--count", "0"], "Invalid value for '--count'"),
        (["/", "--pixel-size", "-1"], "--pixel-size: -1 is not greater than 0"),
    ],
)
def test_wrong_arguments(arguments: list[str], sentence: str, nobody: Path) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not nobody.exists()
