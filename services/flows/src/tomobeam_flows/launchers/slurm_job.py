"""One job of Slurm: followed through its files on the shared folder and Slurm's own word."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

from tomobeam_flows.launchers import Exit, slurm_commands
from tomobeam_flows.launchers.slurm_commands import FORGOTTEN, JobState, SlurmError
from tomobeam_flows.output import Lines

OUTPUT = "output"
EXIT = "exit"

# The folder is looked at often, since that costs Slurm nothing; Slurm is asked seldom, unless
# the job is about to end. inotify sees nothing of what another host writes over NFS.
GLANCE_S = 0.3
SHORTEST_READ_S, LONGEST_READ_S = 0.1, 1.0
SHORTEST_ASK_S, LONGEST_ASK_S = 0.5, 10.0
SLOWER = 1.5
# From the job's exit code until Slurm, too, says that all of it has ended.
SETTLE_S = 15.0

# What the batch system's own guard prints into the job's output when it kills for memory.
_MEMORY = re.compile(r"^slurmstepd.*(exceeded memory limit|oom[-_ ]kill)", re.IGNORECASE)
_REASONS = {
    "OUT_OF_MEMORY": "the memory ran out: Slurm killed it at its limit",
    "TIMEOUT": "its time ran out: Slurm ended it at its limit",
    "CANCELLED": "somebody cancelled it in Slurm",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not start",
    "PREEMPTED": "Slurm ended it in favour of another job",
    "DEADLINE": "Slurm gave it up at its deadline",
    "REVOKED": "Slurm took it away",
}


class SlurmJob:
    """A job that was submitted."""

    def __init__(self, number: str, folder: Path) -> None:
        self._number = number
        self._folder = folder
        self._read = 0
        self._notices: deque[str] = deque()
        self._last_notice = ""
        self._out_of_memory = False
        self._cancelled = asyncio.Event()
        self._say("submitted")
        self._end = asyncio.ensure_future(self._watch())

    async def lines(self) -> AsyncIterator[str]:
        """What the job prints, and what there is to say of it in Slurm, until it has ended."""
        lines = Lines()
        pause = SHORTEST_READ_S
        while True:
            over = self._end.done()  # Asked first: what was printed until then is read below.
            data = await asyncio.to_thread(self._more)
            while self._notices:
                yield self._notices.popleft()
            for line in lines.feed(data):
                self._out_of_memory |= bool(_MEMORY.match(line))
                yield line
            if data:
                pause = SHORTEST_READ_S
            elif over:
                break
            else:
                await asyncio.wait({self._end}, timeout=pause)
                pause = min(pause * SLOWER, LONGEST_READ_S)
        for line in lines.finish():
            yield line

    async def wait(self) -> Exit:
        """How the job ended, when Slurm says that nothing of it is left."""
        ended = await asyncio.shield(self._end)
        if self._out_of_memory and not ended.ok:
            return Exit(ended.code, _REASONS["OUT_OF_MEMORY"])
        return ended

    def cancel(self) -> None:
        """End the job: SIGTERM, grace, SIGKILL; one that waits in the queue leaves it."""
        self._cancelled.set()

    async def _watch(self) -> Exit:
        taken = False
        urgent = False
        pause = SHORTEST_ASK_S
        ask_at = time.monotonic() + pause
        settle_by = float("inf")
        while True:
            code = await asyncio.to_thread(self._recorded)
            cancelled = self._cancelled.is_set()
            if not urgent and (code is not None or cancelled):
                urgent, pause, ask_at = True, SHORTEST_ASK_S, 0.0
                settle_by = time.monotonic() + SETTLE_S
            if time.monotonic() >= ask_at:
                try:
                    if cancelled and not taken:
                        await slurm_commands.cancel(self._number)
                        taken = True
                    state = await slurm_commands.state_of(self._number)
                except SlurmError as error:
                    self._say(f"Slurm does not answer and is waited for: {error}")
                else:
                    if state.over:
                        return how_it_ended(state, await self._code(), cancelled)
                    self._say(_what_it_does(state))
                pause = min(pause * SLOWER, LONGEST_ASK_S)
                ask_at = time.monotonic() + pause
            if code is not None and time.monotonic() >= settle_by:
                return how_it_ended(FORGOTTEN, code, cancelled)
            await self._glance(cancelled)

    async def _glance(self, cancelled: bool) -> None:
        if cancelled:
            await asyncio.sleep(GLANCE_S)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._cancelled.wait(), GLANCE_S)

    async def _code(self) -> int | None:
        return await asyncio.to_thread(self._recorded)

    def _say(self, what: str) -> None:
        if what and what != self._last_notice:
            self._last_notice = what
            self._notices.append(f"Slurm job {self._number}: {what}")

    # Both files are there from the beginning and are opened anew each time: over NFS that is
    # what makes a client look at the server again.

    def _more(self) -> bytes:
        try:
            with (self._folder / OUTPUT).open("rb") as file:
                file.seek(self._read)
                data = file.read(1 << 16)
        except OSError as error:
            self._say(f"its output cannot be read: {error.strerror}")
            return b""
        self._read += len(data)
        return data

    def _recorded(self) -> int | None:
        try:
            text = (self._folder / EXIT).read_text()
        except OSError:
            return None
        return int(text) if text.endswith("\n") and text.strip().isdecimal() else None


def _what_it_does(state: JobState) -> str:
    if state.state == "PENDING":
        return f"waits in the queue: {state.reason}" if state.reason else ""
    return f"{state.state.lower()} on {state.nodes}"


def how_it_ended(state: JobState, code: int | None, cancelled: bool) -> Exit:
    """What a final state of Slurm's and the code that the batch script wrote down mean."""
    if cancelled:
        return Exit(-signal.SIGTERM)
    if code == 0 or (code is None and state.state == "COMPLETED"):
        return Exit(0)
    if reason := _REASONS.get(state.state):
        where = f" ({state.nodes})" if state.nodes else ""
        return Exit(code or 1, reason + where)
    if code is not None:
        return Exit(code)
    if state == FORGOTTEN:
        return Exit(1, "Slurm no longer knows it, and it left no exit code")
    node = state.nodes or "a node"
    hint = "are its folder and its user known there?"
    return Exit(1, f"Slurm could not run it on {node}: {state.reason}; {hint}")
