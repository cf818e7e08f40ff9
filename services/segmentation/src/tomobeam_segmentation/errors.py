"""What ends a job early; the message is the sentence that the scientist reads."""

from __future__ import annotations


class JobError(ValueError):
    """What the job was given is wrong; names the field at fault. Exit code 2."""


class JobFailed(RuntimeError):
    """The job's surroundings failed it: Tiled, the disk. Exit code 1."""


class Stopped(BaseException):
    """The job was told to end. No `Exception`, so that nothing in between swallows it."""
