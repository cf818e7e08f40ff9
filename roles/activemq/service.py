"""ActiveMQ: the broker of a beamline, and of one machine where it is installed."""

from tomobeam_contracts.destinations import BROKER_INGESTER, BROKER_PRODUCER
from tomobeam_deploy.service import Health, Service

SERVICE = Service(
    name="broker",
    summary="ActiveMQ",
    argv=("java",),
    port="broker",
    health=Health(),
    secrets={"A": f"broker-{BROKER_PRODUCER}", "B": f"broker-{BROKER_INGESTER}"},
    writes=("{state}",),
)
