"""Running commands on the host, and ending with a sentence when something is wrong."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import IO

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}
LINES = 15
"""How much is shown of what a command, a check or a log says."""


class Fault(Exception):
    """What ends the program; its text is the sentence."""


def run(
    *argv: str, stdin: str | IO[bytes] = "", user: str = "root", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command in `/`.

    Args:
        argv: program and arguments; everyone on the host can read them.
        stdin: text, or a file that it reads.
        user: as whom.
        check: whether a failure is a fault.

    Raises:
        Fault: it failed; with the last lines that it said.
        KeyError: there is no such user.
    """
    given = {"input": stdin} if isinstance(stdin, str) else {"stdin": stdin}
    as_user = {}
    environment = dict(ENVIRONMENT)
    if user != "root":
        account = pwd.getpwnam(user)
        groups = os.getgrouplist(user, account.pw_gid)
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}
        environment["HOME"] = account.pw_dir
    done = subprocess.run(
        argv,
        **given,
        **as_user,
        cwd="/",
        env=environment,
        encoding="utf-8",
        errors="replace",
        capture_output=True,
        check=False,
    )
    if check and done.returncode:
        raise Fault(f"{' '.join(argv[:2])} ended with {done.returncode}: {said(done)}")
    return done


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The last lines of a command that failed."""
    return last_lines(done.stderr) or last_lines(done.stdout) or "it said nothing"


def last_lines(text: str) -> str:
    """The end of a text."""
    return "\n".join(text.strip().splitlines()[-LINES:])
