"""Slurm's own commands: argument lists, and answers in formats that its versions share.

`squeue --json` changes from version to version, `sacct` needs an accounting database and
`scontrol` prints for people; `squeue --format` has stayed the same.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

# Slurm itself tries for some 20 s before it says that its controller is away.
ANSWER_S = 40.0
_UNKNOWN_JOB = "Invalid job id"
_OVER_ALREADY = "already completing or completed"
_PREFIX = re.compile(r"^\w+:? error: ")
_FINAL = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "REVOKED", "TIMEOUT",
}  # fmt: skip


class SlurmError(RuntimeError):
    """Slurm refuses, or does not answer; the message is its own."""


@dataclass(frozen=True)
class JobState:
    """What Slurm says of a job."""

    state: str
    """in Slurm's words, such as RUNNING; FORGOTTEN where it no longer knows the job"""
    reason: str = ""
    """why it waits, or why it ended"""
    nodes: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing of the job is left."""
        return self.state in _FINAL or self == FORGOTTEN


FORGOTTEN = JobState("FORGOTTEN")


async def submit(options: list[str], script: list[str], environment: Mapping[str, str]) -> str:
    """Submit a batch script with its arguments; the job has this environment and Slurm's own.

    Returns:
        The job's number.

    Raises:
        SlurmError: Slurm does not take it.
    """
    answer = await _ask("sbatch", "--parsable", "--export=ALL", *options, *script, env=environment)
    return answer.strip().partition(";")[0]


async def state_of(number: str) -> JobState:
    """The state of a job.

    Raises:
        SlurmError: Slurm does not answer.
    """
    try:
        answer = await _ask(
            "squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T|%r|%N"
        )
    except SlurmError as error:
        if _UNKNOWN_JOB in str(error):
            return FORGOTTEN
        raise
    return parse_state(answer)


def parse_state(answer: str) -> JobState:
    """One line of `squeue --format=%T|%r|%N`; no line where the job is forgotten."""
    line = answer.strip()
    if not line:
        return FORGOTTEN
    state, reason, nodes = (part.strip() for part in line.split("|", 2))
    return JobState(state, "" if reason == "None" else reason, nodes)


async def unfinished(prefix: str) -> list[str]:
    """The numbers of this user's jobs of which something is left, by the start of their names.

    Raises:
        SlurmError: Slurm does not answer.
    """
    answer = await _ask("squeue", "--noheader", "--me", "--format=%i|%j")
    jobs = (line.strip().partition("|") for line in answer.splitlines())
    return [number for number, _, name in jobs if name.startswith(prefix)]


async def cancel(*numbers: str) -> None:
    """End jobs, in whatever state they are.

    Raises:
        SlurmError: Slurm does not answer.
    """
    try:
        await _ask("scancel", *numbers)
    except SlurmError as error:
        if _UNKNOWN_JOB not in str(error) and _OVER_ALREADY not in str(error):
            raise


async def _ask(program: str, *words: str, env: Mapping[str, str] | None = None) -> str:
    path = shutil.which(program)
    if path is None:
        raise SlurmError(f"{program} is not on the worker's PATH: install Slurm's client commands")
    # Nothing else of the worker's own: sbatch passes on what it has.
    passed = {name: os.environ[name] for name in ("PATH", "SLURM_CONF") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        path, *words, env={**passed, **(env or {})}, cwd="/",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        answer, complaint = await asyncio.wait_for(process.communicate(), ANSWER_S)
    except TimeoutError as error:
        raise SlurmError(f"{program} has no answer after {ANSWER_S:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise SlurmError(complaint_of(complaint.decode(errors="replace")))
    return answer.decode(errors="replace")


def complaint_of(text: str) -> str:
    """What a command of Slurm says on its standard error, as one sentence."""
    lines = [_PREFIX.sub("", line.strip()) for line in text.splitlines() if line.strip()]
    return "; ".join(lines) or "no reason given"
