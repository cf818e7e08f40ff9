"""Starting, starting again, being killed on the way, and leaving nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.lab.conftest import UP_LIMIT_S
from tomobeam_deploy import lab
from tomobeam_deploy.lab.podman import containers, remnants
from tomobeam_deploy.lab.state import lab_lock

pytestmark = pytest.mark.timeout(UP_LIMIT_S)
EVENT_LIMIT_S = 120


def test_second_up_gives_the_same_hosts_bare(hosts, lab_command):
    known = hosts["web"].known_hosts.read_text()
    assert lab.run("web", "touch /root/mark; touch /srv/mark", root=True).returncode == 0
    lab.run("storage", f"touch {hosts['storage'].file_store}/mark", root=True)
    done = lab_command("up")
    assert done.returncode == 0, done.stderr
    assert hosts["web"].known_hosts.read_text() == known
    rows = [line.split()[:4] for line in done.stdout.splitlines()[1:]]
    assert rows == [[h.name, h.address, "running", "answers"] for h in hosts.values()]
    assert lab.run("web", "ls /root/mark", root=True).returncode == 2
    assert lab.run("storage", f"ls {hosts['storage'].file_store}/mark").returncode == 2


@pytest.mark.parametrize("count", [1, 3, 6])
def test_up_that_was_killed_is_repeated(hosts, lab_command, count):
    """Killed when so many hosts exist, in whatever state they are then."""
    assert lab_command("down").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "tomobeam_deploy.lab.cli", "up"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + EVENT_LIMIT_S
    while len(containers()) < count and process.poll() is None:
        assert time.monotonic() < deadline
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = lab_command("up")
    assert done.returncode == 0, done.stderr
    assert lab_command("status").returncode == 0


def test_two_do_not_work_on_the_lab_at_once(lab_command):
    with lab_lock():
        done = lab_command("up")
    assert done.returncode == 1
    assert done.stderr == (
        f"another tomobeam-lab (process {os.getpid()}) is at work; wait for it\n"
    )


def test_without_root_it_says_so():
    """One sentence and exit code 3."""
    done = subprocess.run(
        [
            *("setpriv", "--reuid=65534", "--clear-groups"),
            *(sys.executable, "-m", "tomobeam_deploy.lab.cli", "up"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("the lab needs root")
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_host_is_named_with_the_known_ones(lab_command):
    done = lab_command("ssh", "contrl", "--", "true")
    assert done.returncode == 1
    assert done.stderr.startswith("no lab host 'contrl'; there are: control, storage")


def test_down_leaves_nothing_and_nothing_leaves_the_machine(hosts, lab_command):
    assert lab_command("down").returncode == 0
    assert remnants() == []
    addresses = subprocess.run(["ip", "-br", "addr"], capture_output=True, text=True, check=True)
    assert str(lab.running().gateway) not in addresses.stdout
    with pytest.raises(lab.LabError, match="Cannot assign requested address"):
        lab.run("web", "true")
    again = lab_command("down")
    assert (again.returncode, again.stderr) == (0, "there was no lab\n")
    status = lab_command("status")
    assert status.returncode == 1
    assert status.stdout.count("absent") == len(hosts)
