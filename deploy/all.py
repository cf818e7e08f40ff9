"""Everything, on every host: `pyinfra inventories/beamline deploy/all.py`."""

from roles.activemq import deploy as activemq
from roles.base import deploy as base
from roles.certificates import deploy as certificates
from roles.file_store import deploy as file_store
from roles.firewall import deploy as firewall
from roles.front_door import deploy as front_door
from roles.ingester import deploy as ingester
from roles.postgresql import deploy as postgresql
from roles.prefect_server import deploy as prefect_server
from roles.reconstruction import deploy as reconstruction
from roles.tiled import deploy as tiled
from roles.webapp import deploy as webapp
from roles.worker import deploy as worker
from tomobeam_deploy.canary.operation import canary
from tomobeam_deploy.hosts.deploy import deploy

# Each stage is done by all of them, on all hosts, before the next; a role says on which groups it
# is, and activation follows needs.
deploy(
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
    worker,
    webapp,
    reconstruction,
)
canary()
