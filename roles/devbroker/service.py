"""The embedded broker: one machine only, never deployed."""

from tomobeam_contracts.destinations import BROKER_INGESTER, BROKER_PRODUCER
from tomobeam_deploy.service import Health, Service

SERVICE = Service(
    name="broker",
    summary="STOMP broker embedded in the local profile",
    argv=("{bin}/tomobeam-devbroker",),
    port="broker",
    health=Health(),
    packages=("tomobeam-devbroker",),
    image="services/devbroker",
    settings={
        "TOMOBEAM_LISTEN_ADDRESS": "{address}",
        "TOMOBEAM_BROKER_PORT": "{port}",
        "TOMOBEAM_BROKER_DATABASE": "{state}/broker.sqlite",
    },
    secrets={
        "TOMOBEAM_BROKER_PRODUCER_PASSWORD": f"broker-{BROKER_PRODUCER}",
        "TOMOBEAM_BROKER_INGESTER_PASSWORD": f"broker-{BROKER_INGESTER}",
    },
    writes=("{state}",),
)
