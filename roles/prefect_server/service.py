"""Prefect's server: keeps flow runs and hands them to the workers."""

from tomobeam_deploy.service import Health, Service

# Prefect would otherwise report its use and fetch announcements; a beamline has no way out.
OFFLINE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}

WORK_POOL = "tomobeam"

SERVICE = Service(
    name="prefect-server",
    summary="Prefect server",
    argv=(
        "{bin}/tomobeam-exec",
        "--secret",
        "PREFECT_SERVER_API_AUTH_STRING",
        "--",
        "{bin}/prefect",
        "server",
        "start",
        "--host",
        "{address}",
        "--port",
        "{port}",
    ),
    port="prefect_server",
    health=Health("{site.prefect_path}/api/health"),
    packages=("tomobeam-flows",),
    image="services/flows",
    database_role="prefect",
    settings={
        **OFFLINE,
        "PREFECT_HOME": "{state}",
        "PREFECT_API_URL": "{site.prefect_api_url}",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "{databases[prefect]}",
        # Logs and artifacts of a run go with it.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "P{site.keep_runs_days}D",
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P{site.keep_runs_days}D",
        "PREFECT_UI_STATIC_DIRECTORY": "{state}/ui",
        "PREFECT_SERVER_API_BASE_PATH": "{site.prefect_path}/api",
        "PREFECT_SERVER_UI_SERVE_BASE": "{site.prefect_path}/",
        "PREFECT_UI_API_URL": "{site.prefect_browser_api_url}",
    },
    secrets={"PREFECT_SERVER_API_AUTH_STRING": "prefect-auth"},
    writes=("{state}",),
    schema=("tomobeam-flows", "schema", "--known"),
    migrate=("{bin}/prefect", "server", "database", "upgrade", "--yes"),
    provision=("{bin}/tomobeam-flows", "provision"),
    provision_settings={
        **OFFLINE,
        "PREFECT_HOME": "{state}",
        "TOMOBEAM_PREFECT_API_URL": "{site.prefect_api_url}",
        "TOMOBEAM_WORK_POOL": WORK_POOL,
        "TOMOBEAM_JOBS_AT_ONCE": "{site.jobs_at_once}",
        "TOMOBEAM_HEARTBEAT_DEAD_AFTER_S": "{site.heartbeat.dead_after_s}",
    },
    provision_secrets={"TOMOBEAM_PREFECT_AUTH": "prefect-auth"},
)
