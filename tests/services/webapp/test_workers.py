"""Several processes of gunicorn serve one page, and any of them may end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.services.webapp.conftest import COMMAND, PASSWORD, USER
from tests.support.platform import Platform, free_ports
from tests.support.waiting import wait_for

GUNICORN = Path(sys.executable).with_name("gunicorn")


@pytest.fixture
def two_workers(platform: Platform, tmp_path: Path) -> Iterator[tuple[str, psutil.Process, Path]]:
    """A page of its own with two processes: its address, its arbiter and its state."""
    port = free_ports(["page"])["page"]
    changed = {"TOMOBEAM_WEBAPP_STATE": str(tmp_path), "TOMOBEAM_WEBAPP_PORT": str(port)}
    environment = platform.environment("webapp") | changed
    subprocess.run(
        [COMMAND, "user", "add", USER], input=PASSWORD, text=True, env=environment, check=True
    )
    arguments = ["--no-control-socket", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [GUNICORN, *arguments, "--threads", "4", "tomobeam_webapp.wsgi:server"],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url), "the page", 120)
        yield url, psutil.Process(process.pid), tmp_path
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False


def _watcher(state: Path, arbiter: psutil.Process) -> int | None:
    """The process that holds the lock of the watchers."""
    lock = state / "watch.lock"
    if not lock.exists():
        return None
    inode = lock.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        found = re.search(r"FLOCK\s+ADVISORY\s+WRITE (\d+) \S+:(\d+) ", line)
        if found and int(found[2]) == inode:
            return int(found[1])
    held_by = [
        child.pid
        for child in arbiter.children()
        if any(Path(f.path) == lock for f in child.open_files())
    ]
    return held_by[0] if len(held_by) == 1 else None


def test_the_list_goes_on_when_the_watching_process_is_killed(
    two_workers: tuple[str, psutil.Process, Path], arrive: Callable[[str], str]
) -> None:
    url, arbiter, state = two_workers
    with httpx.Client(base_url=url) as browser:
        browser.get("/login")
        form = {"name": USER, "password": PASSWORD, "csrf_token": browser.cookies["_csrf_token"]}
        assert browser.post("/login", data=form).status_code == 303

        def version() -> str:
            return browser.get("/events").json()["versions"]["recons"]

        wait_for(lambda: browser.get("/events").json()["loaded"]["images"], "the list")
        before = version()
        arrive("to_two_workers")
        wait_for(lambda: version() != before, "the scan", 20)
        # Both processes answer alike: the version never goes back.
        now = version()
        assert {version() for _ in range(20)} == {now}
        first = wait_for(lambda: _watcher(state, arbiter), "a watcher")
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: _watcher(state, arbiter) not in (None, first), "another watcher", 60)
        arrive("after_the_kill")
        wait_for(lambda: version() != now, "the next scan", 60)
