"""How a job is launched: one small protocol, and what is built of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tomobeam_contracts.job import JobFile

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


class Job(Protocol):
    """A started job."""

    def lines(self) -> AsyncIterator[str]:
        """What it prints, line by line, until it and all its processes have ended."""
        ...

    async def wait(self) -> int:
        """Wait for the end of all its processes; its exit code, or -n for signal n."""
        ...

    def cancel(self) -> None:
        """Ask all its processes to end, and make them end after the grace period."""
        ...


class Launcher(Protocol):
    """A way to run jobs."""

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
