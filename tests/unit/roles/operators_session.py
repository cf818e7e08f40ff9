"""The processes between an operator's login and a script of a role, in place of /proc."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

Environment = Mapping[str, str]

BY_SSH = {"SSH_CONNECTION": "192.0.2.3 50000 10.89.77.15 22", "LOGNAME": "ada"}
FIRST = 100


def below(
    folder: Path, script: str, parents: Sequence[Environment], own: Environment
) -> subprocess.CompletedProcess[str]:
    """Run a script that has only these variables, below processes that were started with others.

    `parents` begin with the nearest. Programs in `folder`/bin come before this machine's.
    """
    for number, environment in enumerate([own, *parents]):
        process = folder / "proc" / str(FIRST - number)
        process.mkdir(parents=True)
        entries = "".join(f"{key}={value}\0" for key, value in environment.items())
        (process / "environ").write_text(entries)
        last = number == len(parents)
        parent = 1 if last else FIRST - number - 1
        (process / "status").write_text(f"Name:\tsh\nPPid:\t{parent}\n")
    for old, new in (("pid=$$", f"pid={FIRST}"), ("/proc/", f"{folder}/proc/")):
        assert old in script
        script = script.replace(old, new)
    return subprocess.run(
        ["sh", "-c", script, "script", str(folder / "candidate")],
        env={"PATH": f"{folder}/bin:{os.environ['PATH']}", **own},
        capture_output=True,
        text=True,
        check=False,
    )
