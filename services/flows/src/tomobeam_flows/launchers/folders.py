"""The private folder of each job: its parameters with the credentials, and whose job it is."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tomobeam_common import logs
from tomobeam_flows.launchers import CannotLaunch, JobRequest

PARAMETERS = "params.yaml"
WORK = "work"
_RECORD = "job.json"

log = logs.get(__name__)


@dataclass(frozen=True)
class JobFolders:
    """The folders of one worker's jobs of one kind, below `root`."""

    root: Path

    def make(self, request: JobRequest) -> Path:
        """A job's folder, mode 700, with `params.yaml`, mode 600, and a place to work in.

        Raises:
            CannotLaunch: the disk is full, or the folder cannot be made.
        """
        folder = self.root / request.job_id
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
            (folder / WORK).mkdir()
            _write_private(folder / PARAMETERS, request.file.to_yaml())
            record = {"job": request.job_id, "parent": request.parent_id}
            _write_private(folder / _RECORD, json.dumps(record))
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise CannotLaunch(f"cannot prepare the job in {folder}: {error.strerror}") from error
        return folder

    def remove(self, folder: Path) -> None:
        """Remove a job's folder, and with it the credentials."""
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            log.error("a job's folder with its keys cannot be removed", folder=str(folder))

    def left(self) -> list[Path]:
        """The folders that are there: at a worker's start, those of jobs that a dead one left."""
        return [folder for folder in self.root.glob("*") if folder.is_dir()]

    def take_away(self, folders: list[Path]) -> list[tuple[str, str]]:
        """Remove the folders of jobs that have ended; (job id, parent id) of each."""
        jobs = []
        for folder in folders:
            try:
                record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
                jobs.append((record["job"], record["parent"]))
            except (OSError, ValueError, KeyError):
                log.warning("a job's record is unreadable", folder=str(folder))
            self.remove(folder)
        return jobs


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
