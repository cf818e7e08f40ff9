"""All roles, in the order in which a deploy asks them at each stage.

A role says itself on which groups of hosts it is, and what must be active before it. The first
three come first: whose host it is, whom it trusts, and who may reach it.
"""

from roles.activemq import deploy as activemq
from roles.base import deploy as base
from roles.certificates import deploy as certificates
from roles.file_store import deploy as file_store
from roles.firewall import deploy as firewall
from roles.front_door import deploy as front_door
from roles.ingester import deploy as ingester
from roles.podman import deploy as podman
from roles.postgresql import deploy as postgresql
from roles.prefect_server import deploy as prefect_server
from roles.reconstruction import deploy as reconstruction
from roles.tiled import deploy as tiled
from roles.version import deploy as version
from roles.webapp import deploy as webapp
from roles.worker import deploy as worker

ALL = (
    base,
    certificates,
    firewall,
    file_store,
    front_door,
    postgresql,
    activemq,
    tiled,
    prefect_server,
    ingester,
    podman,
    worker,
    webapp,
    reconstruction,
    version,
)
