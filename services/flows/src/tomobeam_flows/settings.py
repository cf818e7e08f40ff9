"""Settings of the worker and of its provisioning."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from tomobeam_common.settings import PrefectSettings, TiledSettings
from tomobeam_contracts.flow import FlowType
from tomobeam_contracts.launchers import Launchers

# Jobs run in folders of their own: what they are told must not depend on ours.
Absolute = Annotated[Path, AfterValidator(Path.absolute)]

WORKER_TYPE = "tomobeam"
# The least that Prefect takes for a trigger that fires on silence.
SHORTEST_SILENCE_S = 10.0


class PoolSettings(PrefectSettings):
    """The work pool, and when its runs count as abandoned."""

    work_pool: str = Field("tomobeam", description="Prefect work pool of the site")
    work_queue: str = Field("default", description="queue of the deployment in the pool")
    jobs_at_once: int = Field(2, gt=0, description="runs at once in the whole pool")
    heartbeat_dead_after_s: float = Field(
        60.0, ge=SHORTEST_SILENCE_S, description="a run silent for so long is set to Crashed"
    )


class WorkerSettings(PoolSettings, TiledSettings):
    """What one worker needs."""

    registry: Absolute = Field(description="JSON file of the algorithms that may run")
    models_dir: Absolute = Field(description="models, on the store that all workers share")
    worker_name: str = Field(
        min_length=1, pattern=r"^[^/%]+$", description="fixed, and held by one worker only"
    )
    worker_state: Absolute = Field(description="folder of this worker: lock, running jobs")
    worker_port: int = Field(description="/healthz and /metrics", gt=0, lt=65536)
    job_bin: Absolute = Field(description="the folder that holds the jobs' commands")
    flow_type: FlowType = Field(FlowType.PROCESS, description="where a request names none")
    launchers: Launchers = Field(
        default_factory=Launchers, description="JSON object: the kinds of jobs that are run here"
    )
    kinds_elsewhere: frozenset[FlowType] = Field(
        default=frozenset(),
        description="JSON list: the kinds that only other workers of the pool run; "
        "runs of these are left to them",
    )
    job_environment: dict[str, str] = Field(
        default_factory=dict, description="JSON object: further environment variables of jobs"
    )
    poll_every_s: float = Field(0.5, gt=0, description="between two looks for new runs")
    watch_every_s: float = Field(0.5, gt=0, description="between two looks for cancellations")
    heartbeat_every_s: float = Field(10.0, gt=0, description="between two signs of life of a run")
    log_every_s: float = Field(0.3, gt=0, description="a job's lines are sent so often")
    cancel_grace_s: float = Field(
        3.0, ge=0, le=3.5, description="from SIGTERM to SIGKILL for a cancelled job"
    )
    tiled_patience_s: float = Field(
        60.0, ge=0, description="so long a new run waits for Tiled before it fails"
    )


def configure_prefect(settings: PrefectSettings, home: Path) -> None:
    """Give Prefect its settings; call it before Prefect is imported.

    Set inside the process, the login is neither in an argument list nor in the environment
    that `/proc` shows of it.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.update(
        {
            "PREFECT_API_URL": settings.prefect_api_url.rstrip("/"),
            "PREFECT_API_AUTH_STRING": settings.prefect_auth.get_secret_value(),
            "PREFECT_HOME": str(home),
            # Three attempts, 14 s: what is tried for longer has a loop of its own.
            "PREFECT_CLIENT_MAX_RETRIES": "3",
            # A request without an answer is asked again, well before a run counts as silent.
            "PREFECT_API_REQUEST_TIMEOUT": "20",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
            "DO_NOT_TRACK": "1",
        }
    )
    if isinstance(settings, WorkerSettings):
        os.environ["PREFECT_WORKER_QUERY_SECONDS"] = str(settings.poll_every_s)
