"""Starts and stops the services of one machine in the order of their needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from tomobeam_deploy.local.child import Child, run_once, tail
from tomobeam_deploy.local.layout import Layout
from tomobeam_deploy.local.lock import SupervisorLock
from tomobeam_deploy.local.readiness import StartError, check_files, check_ports, wait_until_ready
from tomobeam_deploy.renderers.child import (
    ChildCommand,
    child_command,
    prepare_command,
    provision_command,
)
from tomobeam_deploy.service import Process
from tomobeam_deploy.site import Site

Report = Callable[[str, str], None]


def _silent(_service: str, _what: str) -> None:
    """Say nothing."""


class LocalPlatform:
    """The platform, or a part of it, as children of this process.

    As a context manager it ends every child on the way out.
    """

    def __init__(self, site: Site, only: Iterable[str] | None = None, report: Report = _silent):
        self.site = site
        self.layout = Layout(site)
        self._report = report
        processes = self.layout.processes()
        chosen = list(only) if only is not None else list(processes)
        if unknown := set(chosen) - set(processes):
            raise ValueError(f"no such service: {', '.join(sorted(unknown))}")
        self.processes = {n: p for n, p in processes.items() if n in chosen}
        self.children = {
            name: Child(name, child_command(process), self.layout.log(name))
            for name, process in self.processes.items()
        }
        self._lock = SupervisorLock(self.layout.lock)
        self._abort = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def up(self) -> None:
        """Start everything, independent services side by side, and wait until all answer.

        Raises:
            StartError: a port is in use, another supervisor runs, or a service did not start.
        """
        self.layout.data.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        check_files(self.processes)
        check_ports(self.processes)
        self.layout.write(self.processes)
        try:
            self._up_in_order()
        except BaseException:
            # A signal among them: nothing may be left running, and no thread waiting.
            self._abort.set()
            self._stop_all()
            raise
        self.layout.ready.touch()

    def _up_in_order(self) -> None:
        pending = dict(self.processes)
        started: dict[str, Future[None]] = {}
        pool = ThreadPoolExecutor(max_workers=len(self.processes))
        try:
            while pending or any(not future.done() for future in started.values()):
                for name in [n for n, p in pending.items() if self._needs_met(p, started)]:
                    started[name] = pool.submit(self._bring_up, pending.pop(name))
                running = [future for future in started.values() if not future.done()]
                wait(running, return_when=FIRST_COMPLETED)
                for future in started.values():
                    if future.done():
                        future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _needs_met(self, process: Process, started: dict[str, Future[None]]) -> bool:
        needs = [n for n in process.service.needs if n in self.processes]
        return all(n in started and started[n].done() for n in needs)

    def _bring_up(self, process: Process) -> None:
        self._report(process.name, "starting")
        self._once(process, "prepare", prepare_command(process))
        self.start(process.name)
        self._once(process, "provision", provision_command(process))
        self._report(process.name, "ready")

    def _once(self, process: Process, stage: str, command: ChildCommand | None) -> None:
        """Run a stage unless it ran before with the same environment and the same secrets."""
        if command is None or self._abort.is_set():
            return
        # In the folder of the database that it changed: deleting one forgets the other.
        stamp = self.layout.state(process.name) / f".{stage}d"
        state = fingerprint(command, self.layout.secrets)
        if stamp.exists() and stamp.read_text() == state:
            return
        log = self.layout.log(f"{process.name}.{stage}")
        code = run_once(command, log)
        if code:
            raise StartError(f"{process.name}: {stage} failed. The end of {log}:\n{tail(log)}")
        stamp.write_text(state)

    def start(self, name: str) -> None:
        """Start one service and wait until it answers."""
        if self._abort.is_set():
            return
        child = self.children[name]
        child.start()
        seconds = wait_until_ready(self.processes[name], child)
        self._report(name, f"answers after {seconds:.1f} s")

    def stop(self, name: str) -> None:
        """Stop one service in good order."""
        self.children[name].stop()

    def kill(self, name: str) -> None:
        """End one service with SIGKILL."""
        self.children[name].kill()

    def down(self) -> None:
        """Stop everything, users of a service before it."""
        if not self._lock.held:
            return
        self.layout.ready.unlink(missing_ok=True)
        self._abort.set()
        self._stop_all()
        self._lock.release()

    def _stop_all(self) -> None:
        for name in reversed(self.processes):
            if self.children[name].pid:
                self._report(name, "stopping")
            self.children[name].stop()


def fingerprint(command: ChildCommand, secrets: Path) -> str:
    """What a stage was run with: its arguments, its environment and its secrets' values."""
    values = {}
    for key, value in command.environment.items():
        path = Path(value)
        # A file's digest, so that a rotated secret runs the stage again.
        in_secrets = key.endswith("_FILE") and path.parent == secrets
        values[key] = hashlib.sha256(path.read_bytes()).hexdigest() if in_secrets else value
    document = json.dumps([list(command.argv), values], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()
