"""The Prefect worker: takes flow runs and launches the ML jobs."""

from roles.prefect_server.service import OFFLINE, WORK_POOL
from tomobeam_deploy.service import Health, Service

SERVICE = Service(
    name="worker",
    summary="Prefect worker that launches the ML jobs",
    argv=("{bin}/tomobeam-flows", "worker"),
    port="worker",
    health=Health("/healthz"),
    packages=("tomobeam-flows", "tomobeam-segmentation"),
    image="services/flows",
    needs=("prefect-server", "tiled"),
    settings={
        **OFFLINE,
        "PREFECT_HOME": "{state}/prefect",
        "TOMOBEAM_PREFECT_API_URL": "{site.prefect_api_url}",
        "TOMOBEAM_TILED_URL": "{site.tiled_url}",
        "TOMOBEAM_REGISTRY": "{registry}",
        "TOMOBEAM_MODELS_DIR": "{models}",
        "TOMOBEAM_WORK_POOL": WORK_POOL,
        "TOMOBEAM_WORKER_NAME": "{site.name}-{worker_name}",
        "TOMOBEAM_WORKER_STATE": "{state}",
        "TOMOBEAM_LISTEN_ADDRESS": "{address}",
        "TOMOBEAM_WORKER_PORT": "{port}",
        "TOMOBEAM_JOB_BIN": "{job_bin}",
        "TOMOBEAM_FLOW_TYPE": "{site.flow_type}",
        "TOMOBEAM_LAUNCHERS": "{launchers}",
        "TOMOBEAM_KINDS_ELSEWHERE": "{kinds_elsewhere}",
        "TOMOBEAM_HEARTBEAT_EVERY_S": "{site.heartbeat.every_s}",
    },
    secrets={
        "TOMOBEAM_PREFECT_AUTH": "prefect-auth",
        "TOMOBEAM_TILED_API_KEY": "tiled-key-job",
    },
    # Jobs are its children.
    memory_mib=16384,
    tasks=1024,
    writes_code=True,
    reads=("{registry}",),
    launches_jobs=True,
    writes=("{state}", "{models}"),
)
