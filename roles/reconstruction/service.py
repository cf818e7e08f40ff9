"""What a reconstruction host has: the commands, and the sending of what the broker did not take."""

from tomobeam_contracts.destinations import BROKER_PRODUCER
from tomobeam_deploy.service import Service

SERVICE = Service(
    name="reconstruction",
    summary="Sends the announcements that the broker did not take",
    argv=("{bin}/tomobeam-notify", "--flush"),
    every_s=60,
    packages=("tomobeam-reconstruction", "tomobeam-canary"),
    image="services/reconstruction",
    settings={
        "TOMOBEAM_BROKER_HOST": "{site.broker_host}",
        "TOMOBEAM_BROKER_PORT": "{site.broker_port}",
        "TOMOBEAM_BROKER_USER": BROKER_PRODUCER,
        "TOMOBEAM_BROKER_TLS_CA": "{tls_ca}",
        "TOMOBEAM_NOTIFY_SPOOL": "{state}/spool",
    },
    secrets={"TOMOBEAM_BROKER_PASSWORD": f"broker-{BROKER_PRODUCER}"},
    writes=("{state}",),
)
