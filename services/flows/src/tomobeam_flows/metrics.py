"""What Prometheus reads of the worker."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RUNS = Counter("tomobeam_worker_runs", "Runs of the parent flow, by final state", ["state"])
JOBS = Counter("tomobeam_worker_jobs", "Jobs that ended", ["task", "result"])
ACTIVE = Gauge("tomobeam_worker_active_runs", "Runs that this worker executes now")
FIRST_LINE = Histogram(
    "tomobeam_worker_first_line_seconds", "From the start of a job to its first line"
)
LAST_POLL = Gauge(
    "tomobeam_worker_last_poll_timestamp_seconds", "When Prefect last answered a look for runs"
)
