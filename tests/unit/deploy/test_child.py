"""A supervised child: real processes, small programs."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.platform import make_site
from tests.support.waiting import wait_for
from tomobeam_deploy.local import child as child_module
from tomobeam_deploy.local.child import Child, ChildState, rotate, tail
from tomobeam_deploy.local.layout import Layout
from tomobeam_deploy.local.readiness import StartError, check_ports
from tomobeam_deploy.renderers.child import ChildCommand


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "BACKOFF_S", (0.01, 0.05))


def command(folder: Path, program: str) -> ChildCommand:
    guard = ("env", "--default-signal", "setpriv", "--pdeathsig", "TERM", "--")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
    return ChildCommand((*guard, sys.executable, "-c", program), environment, folder)


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        child.kill()


def test_a_child_that_crashes_is_restarted(tmp_path: Path, keep: list[Child]) -> None:
    child = Child("c", command(tmp_path, "print('hello'); raise SystemExit(3)"), tmp_path / "log")
    keep.append(child)
    child.start()
    wait_for(lambda: child.restarts >= 3, "three restarts")
    assert child.exit_code == 3
    assert tail(child.log).count("hello") >= 2
    child.stop()
    assert child.state is ChildState.STOPPED
    assert child.pid is None


def test_stopping_ends_a_child_that_ignores_sigterm_and_its_own_children(
    tmp_path: Path, keep: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "END_LIMIT_S", 0.5)
    program = (
        "import signal,subprocess,time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "p = subprocess.Popen(['sleep', '1000'])\n"
        "print(p.pid)\n"
        "time.sleep(1000)\n"
    )
    child = Child("c", command(tmp_path, program), tmp_path / "log")
    keep.append(child)
    child.start()
    wait_for(lambda: child.log.exists() and child.log.read_text().strip(), "the grandchild")
    grandchild = int(child.log.read_text())
    child.stop()
    wait_for(lambda: not psutil.pid_exists(grandchild), "the grandchild's end")


def test_signals_ignored_by_the_supervisor_reach_the_child(tmp_path: Path) -> None:
    script = tmp_path / "supervisor.py"
    script.write_text(
        "import signal, sys\n"
        "from pathlib import Path\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "from tomobeam_deploy.local.child import Child\n"
        "from tomobeam_deploy.renderers.child import ChildCommand\n"
        "guard = ('env', '--default-signal', 'setpriv', '--pdeathsig', 'TERM', '--')\n"
        "child = Child('c', ChildCommand((*guard, 'sleep', '1000'), {'PATH': '/usr/bin:/bin'},"
        " Path.cwd()), Path('log'))\n"
        "child.start()\n"
        "while child.pid is None: pass\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    sleeper = psutil.Process(pid)
    wait_for(lambda: sleeper.name() == "sleep", "the child's program")
    # The supervisor is killed as by a power cut; the child must not outlive it.
    supervisor.kill()
    supervisor.communicate()
    wait_for(lambda: not psutil.pid_exists(pid), "the child's end")


def test_a_log_that_has_grown_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("a" * 100)
    rotate(log, limit=1000)
    assert log.exists()
    rotate(log, limit=10)
    assert not log.exists()
    assert (tmp_path / "x.log.1").exists()


def test_a_port_in_use_is_named_with_its_setting(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    processes = Layout(site).processes()
    check_ports(processes)
    with socket.socket() as taken:
        taken.bind((site.address, site.ports.tiled))
        taken.listen()
        with pytest.raises(StartError) as error:
            check_ports(processes)
    assert str(error.value) == (
        f"tiled: port {site.ports.tiled} is in use; set TOMOBEAM_PORT_TILED to another"
    )


def test_starting_twice_keeps_one_process(tmp_path: Path, keep: list[Child]) -> None:
    child = Child("c", command(tmp_path, "import time; time.sleep(1000)"), tmp_path / "log")
    keep.append(child)
    child.start()
    wait_for(lambda: child.pid, "the process")
    pid = child.pid
    child.start()
    assert child.pid == pid
