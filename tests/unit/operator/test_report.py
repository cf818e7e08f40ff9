"""What a host says of itself, and that nothing holds it up."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tomobeam_deploy.on_host import addresses, report
from tomobeam_deploy.on_host.report import PROPERTIES

# As systemd 252 prints two units: one that runs, one that it does not know.
SHOWN = """\
Result=success
NRestarts=2
LoadState=loaded
ActiveState=active
UnitFileState=enabled
ActiveEnterTimestamp=@1795576584
InactiveEnterTimestamp=@1795576580

Result=success
LoadState=not-found
ActiveState=inactive
UnitFileState=
ActiveEnterTimestamp=
InactiveEnterTimestamp=
"""


class Page(BaseHTTPRequestHandler):
    """Well at /ok, not well at /bad, silent at /slow until the test is over."""

    over = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.over.wait()
            return
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()
        self.wfile.write(json.dumps({"path": self.path}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def page() -> Iterator[str]:
    Page.over.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Page.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        assert argv[:3] == ("systemctl", "show", "--timestamp=unix")
        assert set(argv[3].partition("=")[2].split(",")) == set(PROPERTIES)
        assert argv[4] == "--"
        return subprocess.CompletedProcess(argv, 0, SHOWN if argv[5:] else "", "")

    monkeypatch.setattr(report, "run", run)
    monkeypatch.setattr(report, "STARTED", tmp_path / "started")


def ask(**questions: object) -> dict:
    nothing = {"units": ["a", "b"], "links": [], "addresses": {}, "folders": [], "files": []}
    return json.loads(json.dumps(report.report(**nothing | questions)))  # type: ignore[arg-type]


def test_units_are_told_apart_though_systemd_names_none(tmp_path: Path) -> None:
    (tmp_path / "started").mkdir()
    (tmp_path / "started/a").write_text("0123  /etc/x\nreleases/1\n")
    said = ask()
    assert said["units"]["a"]["NRestarts"] == "2"
    assert said["units"]["a"]["ActiveEnterTimestamp"] == "@1795576584"
    assert said["units"]["b"]["LoadState"] == "not-found"
    assert said["started"] == {"a": "0123  /etc/x\nreleases/1\n", "b": None}
    assert abs(said["now"] - time.time()) < 60


def test_links_and_files_are_told_or_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("releases/1")
    (tmp_path / "version").write_text("{}")
    paths = [f"{tmp_path}/{name}" for name in ("current", "version", "none")]
    said = ask(links=paths, files=[paths[1], paths[2]])
    assert said["links"] == dict(zip(paths, ["releases/1", None, None], strict=True))
    assert said["files"] == dict(zip(paths[1:], ["{}", None], strict=True))


def test_an_address_says_how_it_is(page: str) -> None:
    port = page.rpartition(":")[2]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        urls = [f"{page}/ok", f"{page}/bad", f"tcp://127.0.0.1:{port}", nobody, "http://"]
        said = ask(addresses=dict.fromkeys(urls))["addresses"]
    assert said[urls[0]] == {"code": 200, "body": '{"path": "/ok"}'}
    assert said[urls[1]] == {"code": 503, "body": '{"path": "/bad"}'}
    assert said[urls[2]] == {"code": 200, "body": ""}
    assert "Connection refused" in said[nobody]["fault"]
    assert said["http://"]["fault"]


def test_who_does_not_answer_is_not_waited_for(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LIMIT_S", 0.2)
    said = ask(addresses=dict.fromkeys([f"{page}/slow", f"{page}/ok"]))["addresses"]
    assert said[f"{page}/slow"] == {"fault": "did not answer in 0.2 s"}
    assert said[f"{page}/ok"]["code"] == 200


def test_no_answer_is_read_without_end(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST_BYTES", 4)
    assert ask(addresses={f"{page}/ok": None})["addresses"][f"{page}/ok"]["body"] == '{"pa'


def test_a_disk_is_told_in_bytes_or_is_not_there(small_disk: Path) -> None:
    (small_disk / "x").write_bytes(b"x" * 16384)
    said = ask(folders=[str(small_disk), f"{small_disk}/none"])["folders"]
    assert said[str(small_disk)] == {"size": 65536, "free": 49152}
    assert said[f"{small_disk}/none"] == {"fault": "No such file or directory"}


def test_connections_are_those_of_others_to_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert port not in ask()["connections"]
        with (
            socket.create_connection(server.getsockname()),
            socket.create_connection(server.getsockname()),
        ):
            assert ask()["connections"][port] == 2
