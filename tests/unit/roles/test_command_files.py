"""What people type on a host is a service's program with its settings, as who may read them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from roles.ingester import deploy as ingester
from roles.reconstruction import deploy as reconstruction
from roles.webapp import deploy as webapp
from tests.unit.roles.beamline import load, text
from tests.unit.roles.named_secrets import target
from tomobeam_deploy.hosts.resources import File
from tomobeam_deploy.hosts.target import Target

FOR_ROOT = [(ingester, "storage", "ingester"), (webapp, "web", "webapp")]


def of_lab(host: str) -> Target:
    return target(load(), host)


def script(role: ModuleType, host: str, program: str) -> str:
    return text(role.configure(of_lab(host)), f"/usr/local/bin/{program}")


def typed(program: str, uid: int, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What is typed by whoever has this number; `setpriv` says what it was told, and all it has."""
    for name, does in (("id", f"echo {uid}"), ("setpriv", 'printf "%s\\n" "$@"; umask; env')):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)
    return subprocess.run(
        ["sh", "-c", program, "sh", *words],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "HOME": "/root"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("role", "host", "service"), FOR_ROOT)
def test_root_types_a_services_command_and_it_runs_as_the_service(
    role: ModuleType, host: str, service: str, tmp_path: Path
) -> None:
    program, account = f"tomobeam-{service}", f"tomobeam-{service}"
    said = typed(script(role, host, program), 0, tmp_path, "user", "a name").stdout.splitlines()
    assert said[:7] == [
        *(f"--reuid={account}", f"--regid={account}", "--init-groups", "--"),
        f"/opt/tomobeam/{service}/current/bin/{program}",
        *("user", "a name"),
    ]
    assert said[7] == "0027"
    process = of_lab(host).processes[service]
    settings = process.environment | {"HOME": f"/var/lib/tomobeam/{service}"}
    assert {f"{key}={value}" for key, value in settings.items()} <= set(said[8:])


@pytest.mark.parametrize(("role", "host", "service"), FOR_ROOT)
def test_nobody_else_does(role: ModuleType, host: str, service: str, tmp_path: Path) -> None:
    program = f"tomobeam-{service}"
    done = typed(script(role, host, program), 1000, tmp_path, "status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"{program}: only root may become {program}; type: sudo {program} …\n")


@pytest.mark.parametrize(("role", "host", "service"), FOR_ROOT)
def test_it_reads_secrets_from_files_of_its_service_only(
    role: ModuleType, host: str, service: str
) -> None:
    said = script(role, host, f"tomobeam-{service}")
    files = {r.path: r for r in role.configure(of_lab(host)) if isinstance(r, File)}
    credentials = of_lab(host).processes[service].credentials
    assert credentials
    for variable, name in credentials.items():
        path = f"/etc/tomobeam/{service}/secrets/{name}"
        assert f"export {variable}={path}\n" in said
        assert (files[path].mode, files[path].owner) == (0o600, f"tomobeam-{service}")
        assert f"the {name}" not in said


def test_a_program_of_the_reconstruction_runs_as_whoever_types_it(tmp_path: Path) -> None:
    said = script(reconstruction, "recon", "tomobeam-notify")
    assert "setpriv" not in said
    program = "/opt/tomobeam/reconstruction/current/bin/tomobeam-notify"
    shown = said.replace(f"exec {program}", "setpriv")
    lines = typed(shown, 1000, tmp_path, "a scan.nxs").stdout.splitlines()
    assert lines[:2] == ["a scan.nxs", "0007"]
    password = "/etc/tomobeam/reconstruction/producer-password"
    assert {f"TOMOBEAM_BROKER_PASSWORD_FILE={password}", "HOME=/root"} <= set(lines)
