"""Mirrors the runs of Prefect while somebody looks: the open ones often, all now and then."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from pydantic import ValidationError

from tomobeam_common import logs
from tomobeam_webapp.jobs.model import Document, Job, read_job, read_step
from tomobeam_webapp.jobs.prefect_api import JobServiceError, PrefectApi, id_filter, open_filter
from tomobeam_webapp.live.mirror import Mirror
from tomobeam_webapp.settings import WebSettings

_log = logs.get(__name__)
JOBS = "jobs"
ALL_EVERY_S = 30.0
UNSEEN_POLL_S = 20.0
LOOKING_S = 15.0
RETRY_S = 3.0


class Looking:
    """Whether anybody has the page open: a file's time, so that all processes know."""

    def __init__(self, settings: WebSettings) -> None:
        self._file: Path = settings.webapp_state / "looking"
        self._noted = 0.0

    def note(self) -> None:
        """Somebody's page just asked."""
        now = time.time()
        if now - self._noted > LOOKING_S / 5:
            self._noted = now
            self._file.touch()

    def anybody(self) -> bool:
        """Whether a page asked lately."""
        try:
            return os.stat(self._file).st_mtime > time.time() - LOOKING_S  # noqa: PTH116
        except FileNotFoundError:
            return False


class JobFeed:
    """Keeps the feed `JOBS` equal to Prefect's newest runs."""

    def __init__(self, settings: WebSettings, api: PrefectApi, mirror: Mirror) -> None:
        self._settings = settings
        self._api = api
        self._mirror = mirror
        self._looking = Looking(settings)
        self._all_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Poll until the event is set."""
        while not stop.is_set():
            try:
                self.poll()
                pause = self._settings.webapp_poll_seconds
            except JobServiceError as error:
                if self._mirror.state(JOBS).fault != str(error):
                    _log.warning("Prefect is away", reason=str(error))
                self._mirror.fault(JOBS, str(error))
                pause = RETRY_S
            until = time.monotonic() + UNSEEN_POLL_S
            stop.wait(pause)
            while not self._looking.anybody() and time.monotonic() < until and not stop.is_set():
                stop.wait(pause)

    def poll(self) -> None:
        """Bring the mirror up to date.

        Raises:
            JobServiceError: Prefect does not answer.
        """
        if time.monotonic() - self._all_at > ALL_EVERY_S or not self._all_at:
            self._read_all()
            self._all_at = time.monotonic()
            return
        runs = self._api.parents(**open_filter())
        known = {run["id"] for run in runs}
        just_ended = [
            job.id for job in jobs(self._mirror) if not job.is_final and job.id not in known
        ]
        if just_ended:
            runs += self._api.parents(**id_filter(just_ended))
        for job in self._complete(runs):
            self._mirror.put(JOBS, job.id, job.model_dump(mode="json"))
        self._mirror.fault(JOBS, None)

    def _read_all(self) -> None:
        settled = {job.id: job for job in jobs(self._mirror) if job.is_final}
        runs = self._api.parents()
        # A retried run is open again, so the state must still be the same.
        fresh = [
            run
            for run in runs
            if run["id"] not in settled or settled[run["id"]].state != run["state_type"]
        ]
        done = {job.id: job for job in self._complete(fresh)}
        found = [done.get(run["id"]) or settled.get(run["id"]) for run in runs]
        newest_last = sorted((job for job in found if job), key=lambda job: job.created)
        self._mirror.replace(JOBS, [(j.id, j.model_dump(mode="json")) for j in newest_last])

    def _complete(self, runs: list[Document]) -> list[Job]:
        """The jobs with their steps and progress, oldest first."""
        found = {job.id: job for run in runs if (job := _readable(run))}
        children = self._api.children_of(found) if found else []
        for child in sorted(children, key=lambda run: run["created"]):
            step = read_step(child)
            owner = found.get(child["parent_id"] or "")
            if step and owner:
                owner.steps.append(step)
        running = [job for job in found.values() if job.state == "RUNNING"]
        bars = self._api.progress(
            [job.id for job in running] + [step.id for job in running for step in job.steps]
        )
        for job in running:
            job.percent, job.progress = bars.get(job.id, (None, ""))
            if job.steps and job.steps[-1].id in bars:
                job.progress = bars[job.steps[-1].id][1]
        return sorted(found.values(), key=lambda job: job.created)


def jobs(mirror: Mirror) -> list[Job]:
    """The mirrored jobs, newest first."""
    found = [Job.model_validate(body) for body in mirror.entries(JOBS).values()]
    return sorted(found, key=lambda job: job.created, reverse=True)


def _readable(run: Document) -> Job | None:
    try:
        return read_job(run)
    except (ValidationError, KeyError) as error:
        _log.info("a run is not shown", run=str(run.get("id")), reason=type(error).__name__)
        return None
