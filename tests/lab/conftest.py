from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tomobeam_deploy import lab
from tomobeam_deploy.lab.machine import missing_packages
from tomobeam_deploy.lab.model import INVENTORY
from tomobeam_deploy.lab.state import running_inventory

UP_LIMIT_S = 900

Command = Callable[..., subprocess.CompletedProcess[str]]


def tomobeam_lab(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tomobeam_deploy.lab.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=UP_LIMIT_S,
        **options,
    )


@pytest.fixture(scope="session")
def lab_command() -> Command:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if missing := missing_packages():
        pytest.skip(f"the lab needs {' '.join(missing)}: make lab installs them")
    return tomobeam_lab


@pytest.fixture(scope="module")
def hosts(lab_command: Command) -> dict[str, lab.Access]:
    """The lab of `make lab`; one that is not well, or of another site, is started afresh."""
    if running_inventory() != INVENTORY or lab_command("status").returncode:
        done = lab_command("up")
        assert done.returncode == 0, done.stderr
    return lab.hosts()
