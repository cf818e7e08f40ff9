"""What a job says: plain lines and `progress` lines, each sent at once."""

from __future__ import annotations

import sys

from tomobeam_contracts.job import Progress


def say(line: str) -> None:
    """Print one line of plain text."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def progress(done: int, total: int, what: str) -> None:
    """Print how far the job is."""
    say(str(Progress(done=done, total=total, what=what)))
