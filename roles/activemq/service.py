"""ActiveMQ: the broker of a beamline, and of one machine where it is installed."""

from tomobeam_contracts.destinations import BROKER_INGESTER, BROKER_PRODUCER
from tomobeam_deploy.service import Health, Service

HOME = "/usr/share/activemq"
TEMPLATES = "activemq/etc/activemq/instances-available/tomobeam"
# What the JVM ends with after SIGTERM.
ENDED_BY_SIGTERM = 143

SERVICE = Service(
    name="broker",
    summary="ActiveMQ",
    argv=(
        "{bin}/tomobeam-exec",
        "--secret",
        "TOMOBEAM_BROKER_PRODUCER_PASSWORD",
        "--secret",
        "TOMOBEAM_BROKER_INGESTER_PASSWORD",
        "--secret",
        "TOMOBEAM_BROKER_KEYSTORE_PASSWORD",
        "--",
        "java",
        "-Xms64m",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        # It would leave a file in /tmp that a sandboxed unit cannot write.
        "-XX:-UsePerfData",
        f"-Dactivemq.home={HOME}",
        "-Dactivemq.base={state}",
        "-Dactivemq.conf={config}",
        "-Dactivemq.data={state}/activemq",
        "-Dlog4j.configuration=file:{config}/log4j.properties",
        "-jar",
        f"{HOME}/bin/activemq.jar",
        "start",
        "xbean:file:{config}/activemq.xml",
    ),
    port="broker",
    health=Health(),
    # Its tomobeam-exec reads the passwords.
    packages=("tomobeam-common",),
    debian_packages=("activemq", "default-jre-headless"),
    image="roles/activemq",
    needs_files=(f"{HOME}/bin/activemq.jar",),
    secrets={
        "TOMOBEAM_BROKER_PRODUCER_PASSWORD": f"broker-{BROKER_PRODUCER}",
        "TOMOBEAM_BROKER_INGESTER_PASSWORD": f"broker-{BROKER_INGESTER}",
        "TOMOBEAM_BROKER_KEYSTORE_PASSWORD": "broker-keystore",
    },
    files={
        f"{TEMPLATES}/activemq.xml.j2": "activemq.xml",
        f"{TEMPLATES}/log4j.properties.j2": "log4j.properties",
    },
    writes=("{state}",),
    success_codes=(ENDED_BY_SIGTERM,),
    writes_code=True,
)
