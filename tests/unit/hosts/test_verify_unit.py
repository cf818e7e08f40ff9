"""A unit that systemd only grumbles about does not take the place of one that runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tomobeam_deploy.hosts.services import VERIFY_UNIT

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)
GOOD = "[Service]\nType=exec\nExecStart=/bin/true\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (GOOD, None),
        (GOOD + "MemoryMaks=1G\n", "MemoryMaks"),
        (GOOD + "TasksMax=many\n", "Invalid maximum tasks value"),
        (GOOD.replace("/bin/true", "/nowhere/program"), "not executable"),
        ("[Service]\nType=exec\n", "ExecStart="),
    ],
)
def test_a_unit_is_judged_by_what_systemd_says(tmp_path: Path, text: str, fault: str | None):
    unit = tmp_path / "tomobeam-try.service"
    unit.write_text(text)
    command = [word.replace("{}", str(unit)) for word in VERIFY_UNIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bool(done.returncode) is (fault is not None), done.stdout + done.stderr
    assert fault is None or fault in done.stdout
