"""The ingester: hears that a scan is ready and registers its stack in Tiled."""

from tomobeam_contracts.destinations import BROKER_INGESTER
from tomobeam_deploy.service import Health, Service

SERVICE = Service(
    name="ingester",
    summary="Tiled ingester",
    argv=("{bin}/tomobeam-ingester", "run"),
    port="ingester",
    health=Health("/healthz"),
    packages=("tomobeam-ingester",),
    image="services/ingester",
    needs=("broker", "tiled"),
    settings={
        "TOMOBEAM_BROKER_HOST": "{site.broker_host}",
        "TOMOBEAM_BROKER_PORT": "{site.broker_port}",
        "TOMOBEAM_BROKER_TLS_CA": "{tls_ca}",
        "TOMOBEAM_BROKER_USER": BROKER_INGESTER,
        "TOMOBEAM_TILED_URL": "{site.tiled_url}",
        "TOMOBEAM_READABLE_ROOTS": "{readable_roots}",
        "TOMOBEAM_PATH_MAP": "{path_map}",
        "TOMOBEAM_LISTEN_ADDRESS": "{address}",
        "TOMOBEAM_INGESTER_PORT": "{port}",
        "TOMOBEAM_INGESTER_STATE": "{state}",
    },
    secrets={
        "TOMOBEAM_BROKER_PASSWORD": f"broker-{BROKER_INGESTER}",
        "TOMOBEAM_TILED_API_KEY": "tiled-key-ingester",
    },
    reads_store=True,
    writes=("{state}",),
)
