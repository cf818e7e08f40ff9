"""The lab's hosts are what a beamline's bare hosts are, and cannot harm the machine they run on."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.lab.conftest import UP_LIMIT_S
from tomobeam_deploy import lab
from tomobeam_deploy.lab.model import INVENTORY
from tomobeam_deploy.lab.podman import podman

pytestmark = pytest.mark.timeout(UP_LIMIT_S)

LAB = lab.Lab.of(INVENTORY)
NAMES = [host.name for host in LAB.hosts]
STORES = {host.name: host.file_store for host in LAB.hosts}


def output(name: str, command: str, *, root: bool = False) -> str:
    done = lab.run(name, command, root=root)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@pytest.mark.parametrize("name", NAMES)
def test_operator_logs_in_without_being_root_and_has_sudo(hosts, name):
    assert output(name, "id -un; hostname").split() == [hosts[name].user, name]
    assert output(name, "id -un", root=True) == "root"


def test_host_keys_are_pinned(hosts, tmp_path):
    known = tmp_path / "known_hosts"
    lines = hosts["web"].known_hosts.read_text().splitlines()
    other = next(line for line in lines if line.startswith("control,")).split(maxsplit=1)[1]
    known.write_text(f"web,{hosts['web'].address} {other}\n")
    ssh = ["ssh", "-F", str(hosts["web"].ssh_config), "-o", f"UserKnownHostsFile={known}"]
    done = subprocess.run([*ssh, "web", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "verification failed" in done.stderr


def test_hosts_keys_differ(hosts):
    keys = [line.split()[2] for line in hosts["web"].known_hosts.read_text().splitlines()]
    assert len(set(keys)) == len(NAMES)
    machines = {output(name, "cat /etc/machine-id") for name in NAMES}
    assert len(machines) == len(NAMES)


def test_names_resolve_everywhere(hosts):
    for name in NAMES:
        found = output(name, f"getent ahostsv4 {' '.join(NAMES)} | awk '/STREAM/ {{print $1}}'")
        assert found.split() == [hosts[other].address for other in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_way_out(hosts, name):
    assert output(name, "ip -4 route show default; ip -6 route show default") == ""
    assert lab.run(name, "getent hosts deb.debian.org").returncode == 2
    # An address for documentation: nothing is there, and no packet leaves the host.
    connect = "python3 -c 'import socket; socket.create_connection((\"198.51.100.1\", 80), 5)'"
    assert "Network is unreachable" in lab.run(name, connect).stderr.decode()


def test_controller_answers_no_questions_about_names(hosts):
    ask = f"exec 3<>/dev/tcp/{LAB.gateway}/53"
    assert "refused" in lab.run("web", f"bash -c '{ask}'").stderr.decode()


def test_file_store_is_one(hosts):
    recon = STORES["recon"]
    output("recon", f"echo seen > {recon}/test-one", root=True)
    try:
        for name in ("storage", "compute1", "compute2"):
            assert output(name, f"cat {STORES[name]}/test-one") == "seen"
        for name in ("control", "web"):
            assert STORES[name] is None
            assert lab.run(name, f"test -e {STORES['storage']}").returncode == 1
    finally:
        output("recon", f"rm {recon}/test-one", root=True)


SET_CLOCK = "python3 -c 'import time; time.clock_settime(time.CLOCK_REALTIME, time.time())'"


def test_clock_cannot_be_set(hosts):
    before = time.time() - time.monotonic()
    for name in NAMES:
        for command in ("date --set @$(date +%s)", SET_CLOCK):
            done = lab.run(name, command, root=True)
            assert done.returncode
            assert "not permitted" in done.stderr.decode()
    # Neither in a service, nor around systemd, as a person with podman would come in.
    unit = lab.run("web", f"systemd-run --collect --wait --pipe --quiet {SET_CLOCK}", root=True)
    assert unit.returncode
    container = LAB.host("web").container
    done = podman("exec", container, "sh", "-c", SET_CLOCK, check=False)
    assert b"not permitted" in done.stderr
    assert abs(time.time() - time.monotonic() - before) < 1


@pytest.mark.parametrize("setting", ["kernel/panic", "vm/swappiness", "fs/file-max"])
def test_kernel_settings_of_the_machine_cannot_be_changed(hosts, setting):
    path = f"/proc/sys/{setting}"
    done = lab.run("control", f'value=$(cat {path}); echo "$value" > {path}', root=True)
    assert "Read-only file system" in done.stderr.decode()


def test_own_network_settings_can_be_changed(hosts):
    path = "/proc/sys/net/ipv4/conf/eth0/rp_filter"
    output("control", f'value=$(cat {path}); echo "$value" > {path}', root=True)


def test_nothing_runs_that_acts_on_the_machine_or_reaches_out(hosts):
    for name in NAMES:
        timers = output(name, "systemctl list-timers --no-legend --plain")
        assert "apt" not in timers
        assert "fstrim" not in timers
        assert output(name, "systemctl --failed --no-legend --plain") == ""
        modules = lab.run(name, "systemctl is-enabled systemd-sysctl systemd-modules-load")
        assert modules.stdout.decode().split() == ["masked", "masked"]


def test_units_are_really_sandboxed(hosts):
    run = "systemd-run --collect --wait --pipe --quiet -p DynamicUser=yes -p ProtectSystem=strict"
    done = lab.run("compute1", f"{run} touch /etc/test-sandbox", root=True)
    assert done.returncode
    assert "Read-only file system" in done.stderr.decode()


def test_a_host_reboots_and_keeps_its_disk_and_address(hosts):
    output("web", "touch /root/kept; sync", root=True)
    lab.reboot("web")
    assert output("web", "ls /root/kept", root=True) == "/root/kept"
    assert hosts["web"].address in output("web", "ip -4 -br addr")
    output("web", "rm /root/kept", root=True)


def test_a_host_that_loses_power_stays_away_until_it_is_started(hosts, lab_command):
    lab.stop("compute2")
    status = lab_command("status")
    assert status.returncode == 1
    line = next(x for x in status.stdout.splitlines() if x.startswith("compute2"))
    assert "none" in line
    lab.start("compute2")
    assert output("compute2", "hostname") == "compute2"
    assert lab_command("status").returncode == 0
