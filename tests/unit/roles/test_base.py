from __future__ import annotations

import os
import subprocess
from pathlib import Path

from roles.base import deploy as base
from tests.unit.roles.beamline import command, load, target, text
from tomobeam_deploy.hosts.resources import Command, Unit


def sh(script: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False
    )


def hosts_file(folder: Path, before: str) -> tuple[Path, Command]:
    """A file in place of /etc/hosts, and the resource that keeps our block in it."""
    path = folder / "hosts"
    path.write_text(before)
    site = load(hosts_file=True)
    found = command(base.install(target(site, "web")), "/etc/hosts")
    return path, Command(
        found.name,
        found.check.replace("/etc/hosts", str(path)),
        found.apply.replace("/etc/hosts", str(path)),
    )


def test_the_block_of_names_comes_first_and_the_rest_stays(tmp_path: Path) -> None:
    path, block = hosts_file(tmp_path, "127.0.0.1 localhost\n192.0.2.9 nfs\n")
    assert sh(block.check).stdout == "names of the hosts differ\n"
    assert sh(block.apply).returncode == 0
    assert sh(block.check).returncode == 0
    lines = path.read_text().splitlines()
    assert lines[:2] == ["# begin tomobeam", "10.89.77.11 control"]
    assert lines[-3:] == ["# end tomobeam", "127.0.0.1 localhost", "192.0.2.9 nfs"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_block_that_was_edited_is_replaced_and_not_doubled(tmp_path: Path) -> None:
    path, block = hosts_file(tmp_path, "127.0.0.1 localhost\n")
    sh(block.apply)
    right = path.read_text()
    path.write_text(right.replace("10.89.77.11", "10.89.77.99"))
    assert sh(block.check).returncode == 1
    sh(block.apply)
    assert path.read_text() == right


def test_a_name_that_leads_elsewhere_is_said_with_the_remedy(tmp_path: Path) -> None:
    names = command(base.install(target(load(), "web")), "names of the hosts")
    getent = tmp_path / "getent"
    getent.write_text(
        "#!/bin/sh\ncase $2 in\n"
        "web) echo '127.0.1.1 STREAM web'; echo '10.89.77.15 STREAM' ;;\n"
        "recon) exit 2 ;;\n"
        + "".join(
            f"{name}) echo '{host.address} STREAM {name}'; echo '{host.address} DGRAM' ;;\n"
            for name, host in load().hosts.items()
        )
        + "esac\n"
    )
    getent.chmod(0o755)
    done = sh(names.check, f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1
    web, recon = done.stdout.splitlines()
    assert web.startswith("web is 10.89.77.15 127.0.1.1 here, not 10.89.77.15; put it right in")
    assert recon.startswith("recon is unknown here, not 10.89.77.16; ")


def test_only_a_site_with_time_servers_has_its_clocks_set() -> None:
    without, with_them = load(), load(time_servers=("ntp.example.org",))
    assert base.PACKAGES(target(without, "web")) == ()
    assert base.PACKAGES(target(with_them, "web")) == ("chrony",)
    units = [r.name for r in base.activate(target(without, "web")) if isinstance(r, Unit)]
    assert units == [base.JOURNAL_UNIT]
    chrony = text(base.configure(target(with_them, "web")), base.CLOCK)
    assert "server ntp.example.org iburst\n" in chrony
    assert "pool" not in chrony


def test_sshd_is_told_apart_from_its_files_by_what_it_recorded() -> None:
    drop_in = text(
        base.configure(target(load(), "web")), "/etc/systemd/system/ssh.service.d/50-tomobeam.conf"
    )
    started, reloaded = (line for line in drop_in.splitlines() if line.startswith("Exec"))
    assert started.removeprefix("ExecStartPre=") == reloaded.removeprefix("ExecReload=")
    runs = command(base.activate(target(load(), "web")), "ssh.service runs")
    assert "systemctl reload ssh.service" in runs.apply
    assert "restart" not in runs.apply
    for path in (base.SSHD, "/run/tomobeam-started/ssh.service"):
        assert path in started
        assert path in runs.check
