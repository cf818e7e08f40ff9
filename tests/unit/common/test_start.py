"""The start of a container, and its health check: real programs, real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

START = [sys.executable, "-c", "from tomobeam_common.start import main; main()"]
HEALTHY = [sys.executable, "-c", "from tomobeam_common.answers import main; main()"]
PRINT = [sys.executable, "-c", "print('became the program')"]


def run(command: list[str], *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_it_waits_until_what_is_needed_accepts() -> None:
    with socket.socket() as later:
        later.bind(("127.0.0.1", 0))
        url = f"tcp://127.0.0.1:{later.getsockname()[1]}"
        with subprocess.Popen(
            [*START, f"--wait={url}", "--", *PRINT],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr
            assert process.stderr.readline().startswith(f"waiting for {url}: ")
            assert process.poll() is None
            later.listen()
            assert process.communicate(timeout=30)[0] == "became the program\n"
        assert process.returncode == 0


def test_waiting_ends_at_once_when_it_is_told_to() -> None:
    with subprocess.Popen(
        [*START, "--wait=tcp://127.0.0.1:1", "--", *PRINT], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        process.stderr.readline()
        process.terminate()
        assert process.wait(10) == 128 + signal.SIGTERM


def test_what_fails_first_keeps_the_program_from_starting(tmp_path: Path) -> None:
    made = tmp_path / "made"
    first = [sys.executable, "-c", f"open({str(made)!r}, 'x')"]
    assert "became" in run(START, f"--first={json.dumps(first)}", "--", *PRINT).stdout
    again = run(START, f"--first={json.dumps(first)}", "--", *PRINT)
    assert (again.returncode, again.stdout) == (1, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--first=no json", "--", *PRINT], "--first"),
        (["--first=[]", "--", *PRINT], "--first"),
        (["--wait=ftp://127.0.0.1:1", "--", *PRINT], "ftp://127.0.0.1:1"),
        (["--", "no-such-program"], "no-such-program: No such file"),
    ],
)
def test_a_wrong_argument_is_named(words: list[str], said: str) -> None:
    done = run(START, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "became" not in done.stdout


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Well, or not, as the path says."""
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


def test_a_service_is_healthy_where_it_answers_well() -> None:
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert run(HEALTHY, f"{url}/200").returncode == 0
        assert run(HEALTHY, TOMOBEAM_HEALTH_URL=f"{url}/200").returncode == 0
        unwell = run(HEALTHY, f"{url}/503")
        assert (unwell.returncode, unwell.stderr) == (1, f"{url}/503: answers 503\n")
        server.shutdown()
    assert run(HEALTHY, f"{url}/200").returncode == 1
    assert "TOMOBEAM_HEALTH_URL" in run(HEALTHY, TOMOBEAM_HEALTH_URL="").stderr
