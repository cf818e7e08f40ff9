"""How a job is launched: one small protocol, and what is built of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tomobeam_contracts.flow import Step
from tomobeam_contracts.job import JobFile
from tomobeam_contracts.registry import Algorithm

JOB_MARKER = "TOMOBEAM_JOB_ID"
"""Environment variable that every process of a job carries: the step's flow run id."""


class CannotLaunch(RuntimeError):
    """A job cannot be started; the message says why."""


@dataclass(frozen=True)
class JobRequest:
    """One job: `command` is an argument list to which the parameter file is added."""

    job_id: str
    parent_id: str
    command: list[str]
    file: JobFile
    algorithm: Algorithm
    step: Step
    """What the client asked for, with the older form's wishes; `Launcher.check` allowed them."""


@dataclass(frozen=True)
class Exit:
    """How a job ended."""

    code: int
    """exit code, or -n for signal n"""
    reason: str = ""
    """a sentence, where the launcher knows better than the code says: memory, time, host lost"""

    @property
    def ok(self) -> bool:
        """Whether the job did what it was asked."""
        return self.code == 0 and not self.reason


class Job(Protocol):
    """A started job."""

    def lines(self) -> AsyncIterator[str]:
        """What it prints, line by line, until it and all its processes have ended."""
        ...

    async def wait(self) -> Exit:
        """Wait for the end of all its processes."""
        ...

    def cancel(self) -> None:
        """Ask all its processes to end, and make them end after the grace period."""
        ...


class Launcher(Protocol):
    """A way to run jobs."""

    def check(self, step: Step, algorithm: Algorithm) -> None:
        """Check a step against what the site allows, before anything begins.

        Raises:
            CannotLaunch: a wish of the step is not allowed here; begins with its field.
        """
        ...

    def prepare(self, request: JobRequest) -> Path:
        """Make the job's private folder with its parameter file.

        Raises:
            CannotLaunch: the command is not there, or the disk is full.
        """
        ...

    async def start(self, request: JobRequest, folder: Path) -> Job:
        """Start the job in its folder.

        Raises:
            CannotLaunch: the system refuses.
        """
        ...

    def clean_up(self, folder: Path) -> None:
        """Remove the job's folder, and with it the credentials."""
        ...

    def recover(self) -> list[tuple[str, str]]:
        """End and remove what a dead worker left; (job id, parent id) of each job."""
        ...
