"""Limits of time and memory for jobs that are processes, where nothing else sets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psutil

from tomobeam_contracts.launchers import Limits
from tomobeam_flows.launchers import Exit
from tomobeam_flows.launchers.process import ProcessJob

EVERY_S = 0.5
MIB = 1 << 20


class LimitedJob:
    """A job whose processes are looked at, and ended once they took too much."""

    def __init__(self, job: ProcessJob, limits: Limits) -> None:
        self._job = job
        self._limits = limits
        self._reason = ""
        self._watch = asyncio.ensure_future(self._look())

    def lines(self) -> AsyncIterator[str]:
        """What it prints, line by line, until it and all its processes have ended."""
        return self._job.lines()

    async def wait(self) -> Exit:
        """Wait for the end of all its processes."""
        ended = await self._job.wait()
        self._watch.cancel()
        return Exit(ended.code, self._reason)

    def cancel(self) -> None:
        """Ask all its processes to end, and make them end after the grace period."""
        self._job.cancel()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        limits = self._limits
        end = loop.time() + limits.max_time_s if limits.max_time_s else float("inf")
        while loop.time() < end:
            await asyncio.sleep(min(EVERY_S, end - loop.time()))
            if limits.memory_mib is not None:
                used = await asyncio.to_thread(memory_below, self._job.keeper)
                if used > limits.memory_mib * MIB:
                    self._reason = (
                        f"its memory ran out: it took {used // MIB} MiB, "
                        f"the limit is {limits.memory_mib} MiB"
                    )
                    # While it is asked politely it would go on eating.
                    await asyncio.to_thread(kill_below, self._job.keeper)
                    break
        else:
            self._reason = f"ended at its time limit of {limits.max_time_s} s"
        self.cancel()


def _below(keeper: int) -> list[psutil.Process]:
    try:
        return psutil.Process(keeper).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def memory_below(keeper: int) -> int:
    """Bytes that all processes below a keeper take, what they share counted once."""
    total = 0
    for process in _below(keeper):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # It ended meanwhile.
    return total


def kill_below(keeper: int) -> None:
    """Kill all processes below a keeper."""
    for process in _below(keeper):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
