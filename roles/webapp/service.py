"""The page on which scientists mark, train, segment and look."""

from tomobeam_deploy.service import Health, Service

SERVICE = Service(
    name="webapp",
    summary="Segmentation page",
    argv=(
        "{bin}/gunicorn",
        "--no-control-socket",
        "--bind",
        "{address}:{port}",
        "--workers",
        "1",
        "--threads",
        "8",
        "tomobeam_webapp.wsgi:server",
    ),
    port="webapp",
    health=Health("/healthz"),
    packages=("tomobeam-webapp", "tomobeam-canary"),
    image="services/webapp",
    needs=("tiled", "prefect-server"),
    settings={
        "TOMOBEAM_TILED_URL": "{site.tiled_url}",
        "TOMOBEAM_PREFECT_API_URL": "{site.prefect_api_url}",
        "TOMOBEAM_REGISTRY": "{registry}",
        "TOMOBEAM_WEBAPP_STATE": "{state}",
        "TOMOBEAM_WEBAPP_PORT": "{port}",
        "TOMOBEAM_WEBAPP_URL": "{site.page_url}",
    },
    secrets={
        "TOMOBEAM_TILED_API_KEY": "tiled-key-webapp",
        "TOMOBEAM_PREFECT_AUTH": "prefect-auth",
        "TOMOBEAM_WEBAPP_SECRET_KEY": "webapp-secret-key",
    },
    reads=("{registry}",),
    writes=("{state}",),
)
