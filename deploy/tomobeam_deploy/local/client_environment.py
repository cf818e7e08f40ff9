"""What `make -s env` prints: addresses and the least credentials for other clients."""

from __future__ import annotations

import shlex

from tomobeam_contracts.destinations import BROKER_PRODUCER
from tomobeam_deploy.local.layout import Layout
from tomobeam_deploy.secrets import read_secret


def client_environment(layout: Layout) -> dict[str, str]:
    """Variables for clients of wires 1 to 3, under the names that their libraries read.

    Raises:
        FileNotFoundError: the platform was never started.
    """
    site = layout.site.seen_by_clients
    key = read_secret(layout.secrets, "tiled-key-client")
    prefect = read_secret(layout.secrets, "prefect-auth")
    return {
        "TILED_URI": f"{site.tiled_url}/api/v1",
        "TILED_API_KEY": key,
        "TOMOBEAM_TILED_URL": site.tiled_url,
        "TOMOBEAM_TILED_API_KEY": key,
        "PREFECT_API_URL": site.prefect_api_url,
        "PREFECT_API_AUTH_STRING": prefect,
        "TOMOBEAM_BROKER_HOST": site.address,
        "TOMOBEAM_BROKER_PORT": str(site.ports.broker),
        "TOMOBEAM_BROKER_USER": BROKER_PRODUCER,
        "TOMOBEAM_BROKER_PASSWORD": read_secret(layout.secrets, f"broker-{BROKER_PRODUCER}"),
        "TOMOBEAM_PAGE_URL": site.url("webapp"),
        "TOMOBEAM_FILESTORE": str(site.data.filestore),
    }


def export_lines(variables: dict[str, str]) -> str:
    """The variables as a shell reads them with eval."""
    return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in variables.items())
