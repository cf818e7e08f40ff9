"""Jobs as processes of this host, each under a keeper that ends the whole tree."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from tomobeam_common import logs
from tomobeam_contracts.flow import Step
from tomobeam_contracts.registry import Algorithm
from tomobeam_flows.launchers import JOB_MARKER, CannotLaunch, Exit, JobRequest
from tomobeam_flows.launchers.folders import PARAMETERS, WORK, JobFolders
from tomobeam_flows.launchers.pipe import lines_of
from tomobeam_flows.launchers.wishes import program_of, surroundings, trusted

KEEPER = Path(__file__).with_name("keeper.py")
# Beyond the grace period, until the keeper itself counts as stuck.
KEEPER_MARGIN_S = 1.0
KILL_WAIT_S = 5.0

log = logs.get(__name__)


class ProcessJob:
    """A job that runs as a process."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        control: int,
        output: int,
        job_id: str,
        grace_s: float,
    ) -> None:
        self._process = process
        self._control = control
        self._output = output
        self._job_id = job_id
        self._grace_s = grace_s
        self._cancelled = False
        self._end = asyncio.ensure_future(self._watch_end())

    def lines(self) -> AsyncIterator[str]:
        """What the job prints, line by line, until nothing of it is left."""
        return lines_of(self._output, self._end)

    @property
    def keeper(self) -> int:
        """The process below which all of the job's are."""
        return self._process.pid

    async def wait(self) -> Exit:
        """How the job ended, when all its processes have ended."""
        return Exit(await asyncio.shield(self._end))

    def cancel(self) -> None:
        """End the whole tree: SIGTERM, grace, SIGKILL; then the keeper if it is stuck."""
        if self._cancelled or self._end.done():
            return
        self._cancelled = True
        with contextlib.suppress(BrokenPipeError):  # The keeper ended meanwhile.
            os.write(self._control, b"c")
        asyncio.get_running_loop().call_later(self._grace_s + KEEPER_MARGIN_S, self._kill_keeper)

    def _kill_keeper(self) -> None:
        if not self._end.done() and self._process.returncode is None:
            log.warning("a job's keeper is stuck and is killed", job=self._job_id)
            self._process.kill()

    async def _watch_end(self) -> int:
        code = await self._process.wait()
        os.close(self._control)
        # Only a keeper that was killed leaves anything behind.
        if code == -signal.SIGKILL:
            await asyncio.to_thread(kill_marked, {self._job_id})
        return code


class ProcessLauncher:
    """Runs jobs as processes, with commands of one folder and an environment of their own.

    `cpus` are the numbers of the processors that they may use; none: all.
    """

    def __init__(
        self,
        folders: JobFolders,
        job_bin: Path,
        environment: dict[str, str],
        grace_s: float,
        cpus: tuple[int, ...] = (),
    ) -> None:
        self._folders = folders
        self._job_bin = job_bin
        self._environment = environment
        self._grace_s = grace_s
        self._cpus = ",".join(map(str, cpus))

    def check(self, step: Step, algorithm: Algorithm) -> None:
        """Nothing of a step is a matter of the site here: what a process cannot have is unused."""

    def prepare(self, request: JobRequest) -> Path:
        """Make the job's folder.

        Raises:
            CannotLaunch: the command is not in the folder of commands, or the disk is full.
        """
        self._executable(request.command)
        return self._folders.make(request)

    def _executable(self, command: list[str]) -> Path:
        program = program_of(command)
        path = self._job_bin / program
        if not path.is_file() or not os.access(path, os.X_OK):
            raise CannotLaunch(f"the command {program!r} is not in {self._job_bin}")
        return path

    async def start(self, request: JobRequest, folder: Path) -> ProcessJob:
        """Start the job.

        Raises:
            CannotLaunch: the system refuses another process.
        """
        path = self._executable(request.command)
        argv = [str(path), *request.command[1:], str(folder / PARAMETERS)]
        output, write_end = os.pipe2(os.O_CLOEXEC)
        read_end, control = os.pipe2(os.O_CLOEXEC)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(KEEPER), str(self._grace_s), self._cpus, *argv,
                stdin=read_end, stdout=write_end, stderr=write_end,
                cwd=folder / WORK, env=self._job_environment(request.job_id, folder),
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            os.close(output)
            os.close(control)
            raise CannotLaunch(f"cannot start {path}: {error.strerror}") from error
        finally:
            os.close(write_end)
            os.close(read_end)
        return ProcessJob(process, control, output, request.job_id, self._grace_s)

    def _job_environment(self, job_id: str, folder: Path) -> dict[str, str]:
        return {
            **trusted(),
            **surroundings(self._job_bin, folder / WORK),
            **self._environment,
            JOB_MARKER: job_id,
        }

    def clean_up(self, folder: Path) -> None:
        """Remove the job's folder, and with it the credentials."""
        self._folders.remove(folder)

    def recover(self) -> list[tuple[str, str]]:
        """End and remove what a dead worker left; (job id, parent id) of each job."""
        folders = self._folders.left()
        kill_marked({f.name for f in folders})
        return self._folders.take_away(folders)


def kill_marked(jobs: set[str]) -> None:
    """Kill every process of this user that carries the marker of one of `jobs`."""
    while jobs:
        found = [p for p in psutil.process_iter() if _marker(p) in jobs]
        for process in found:
            log.warning("a leftover process of a job is killed", pid=process.pid)
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        if not found:
            return
        _, alive = psutil.wait_procs(found, timeout=KILL_WAIT_S)
        if alive:
            log.error("processes of a job do not end", pids=[p.pid for p in alive])
            return


def _marker(process: psutil.Process) -> str | None:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.environ().get(JOB_MARKER)
    except (psutil.Error, OSError):
        return None
