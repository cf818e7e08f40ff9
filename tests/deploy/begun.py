"""A command that runs, of which a test waits for what it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess


class Begun:
    """What it says, errors too, is read as it comes."""

    def __init__(self, line: str, process: subprocess.Popen[str]) -> None:
        self.line = line
        self.said = ""
        self._process = process

    def until(self, pattern: str) -> str:
        """Wait for a line in which this regular expression is found; the line.

        Raises:
            AssertionError: the command ends before.
        """
        assert self._process.stdout
        for line in self._process.stdout:
            self.said += line
            if re.search(pattern, line.rstrip("\n")):
                return line
        raise AssertionError(f"{self.line}: never said {pattern!r}:\n{self.said[-6000:]}")

    def end(self) -> int:
        """Wait for its end; its exit code."""
        assert self._process.stdout
        self.said += self._process.stdout.read()
        return self._process.wait()

    def kill(self) -> None:
        """End it and all that it started at once, unless it has ended."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
