"""Everything, on every host: `pyinfra inventories/beamline deploy/all.py`."""

from roles.base import deploy as base
from roles.ingester import deploy as ingester
from roles.prefect_server import deploy as prefect_server
from roles.reconstruction import deploy as reconstruction
from roles.tiled import deploy as tiled
from roles.webapp import deploy as webapp
from roles.worker import deploy as worker
from tomobeam_deploy.hosts.deploy import deploy

deploy(
    base,
    tiled,
    ingester,
    prefect_server,
    worker,
    webapp,
    reconstruction,
)
