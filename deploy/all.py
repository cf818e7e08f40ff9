"""Everything, on every host: `pyinfra inventories/beamline deploy/all.py`."""

from roles.base import deploy as base
from tomobeam_deploy.hosts.deploy import deploy

deploy(base)
