"""Asks all hosts of a site side by side, each by one execution over SSH."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tomobeam_deploy.on_host import COMMAND, orders

# Of an option that is given twice, OpenSSH takes the first.
OPTIONS = ("-oConnectTimeout=5",)
ANSWER_LIMIT_S = 30
# What sudo says where it may not ask.
NO_PASSWORD = "a password is required"


@dataclass(frozen=True)
class Answer:
    """What a host said (`on_host.report`), or why it said nothing."""

    said: Mapping[str, Any] | None = None
    fault: str = ""
    clock_off_s: float = 0.0
    """by how much its clock is ahead of this machine's, as far as that can be told"""


def ask_all(
    ssh: Mapping[str, Sequence[str]],
    questions: Mapping[str, Mapping[str, Any]],
    password: str | None,
) -> dict[str, Answer]:
    """The answers by host.

    Args:
        ssh: by host, OpenSSH's command without what is to be run there.
        questions: by host.
        password: what sudo asks for; None: nothing.
    """
    with ThreadPoolExecutor(max(1, len(questions))) as pool:
        asked = {host: pool.submit(ask, ssh[host], q, password) for host, q in questions.items()}
        return {host: answer.result() for host, answer in asked.items()}


def ask(ssh: Sequence[str], questions: Mapping[str, Any], password: str | None) -> Answer:
    """One host's answer."""
    flags = ["--non-interactive"] if password is None else ["--stdin", "--prompt="]
    command = [ssh[0], *OPTIONS, *ssh[1:], shlex.join(["sudo", *flags, "--", *COMMAND])]
    typed = "" if password is None else f"{password}\n"
    began = time.time()
    try:
        done = subprocess.run(
            command,
            input=typed + orders("report", questions=questions),
            capture_output=True,
            text=True,
            timeout=ANSWER_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(fault=f"did not answer in {ANSWER_LIMIT_S} s")
    ended = time.time()
    if done.returncode:
        return Answer(fault=_reason(done.stderr))
    try:
        said = json.loads(done.stdout.splitlines()[-1])
        now = said["now"]
    except (IndexError, KeyError, TypeError, ValueError):
        return Answer(fault=f"answered what is no report: {done.stdout[:300]!r}")
    return Answer(said, clock_off_s=now - min(max(now, began), ended))


def _reason(stderr: str) -> str:
    if NO_PASSWORD in stderr:
        return "sudo wants a password; give it: --same-sudo-password"
    lines = stderr.strip().splitlines()
    return lines[-1].removeprefix("ssh: ") if lines else "the connection broke"
