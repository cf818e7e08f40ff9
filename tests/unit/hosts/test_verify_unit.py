"""A unit that systemd only grumbles about does not take the place of one that runs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tomobeam_deploy.hosts.unit_files import DEBIANS, verify_drop_in, verify_unit

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)
GOOD = "[Service]\nType=exec\nExecStart=/bin/true\n"
FAULTS = [
    (GOOD, None),
    (GOOD + "MemoryMaks=1G\n", "MemoryMaks"),
    (GOOD + "TasksMax=many\n", "Invalid maximum tasks value"),
    (GOOD.replace("/bin/true", "/nowhere/program"), "not executable"),
    ("[Service]\nType=exec\n", "ExecStart="),
]


def judge(command: Sequence[str], candidate: Path, fault: str | None, debians: Path) -> None:
    """What the command says of a candidate, as root's agent runs it: with little around it."""
    words = [w.replace("{}", str(candidate)).replace(DEBIANS, str(debians)) for w in command]
    done = subprocess.run(
        words, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert bool(done.returncode) is (fault is not None), done.stdout + done.stderr
    assert fault is None or fault in done.stdout


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize(("text", "fault"), FAULTS)
def test_a_unit_is_judged_by_what_systemd_says(
    tmp_path: Path, text: str, fault: str | None, user: bool
) -> None:
    unit = tmp_path / "tomobeam-try.service"
    unit.write_text(text)
    judge(verify_unit(user=user), unit, fault, tmp_path)


@pytest.mark.parametrize(
    ("unit", "debians"), [("try.service", "try.service"), ("try@1-x.service", "try@.service")]
)
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[Service]\nMemoryMax=1G\n", None),
        ("[Service]\nMemoryMaks=1G\n", ".service.d/50-ours.conf:2: Unknown key"),
        ("[Service]\nExecStartPre=/nowhere/program\n", "not executable"),
        ("[Service]\nExecStart=\n", "ExecStart="),
    ],
)
def test_a_drop_in_is_judged_with_its_unit(
    tmp_path: Path, unit: str, debians: str, text: str, fault: str | None
) -> None:
    (tmp_path / debians).write_text(GOOD)
    drop_in = tmp_path / "50-ours.conf"
    drop_in.write_text(text)
    judge(verify_drop_in(unit), drop_in, fault, tmp_path)
