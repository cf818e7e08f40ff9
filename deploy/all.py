"""Everything, on every host: `pyinfra inventories/beamline deploy/all.py`.

Each stage of a role is done on all hosts before the next, and activation follows needs. A tiny scan
then shows that every wire works.
"""

from roles.order import ALL
from tomobeam_deploy.canary.operation import canary
from tomobeam_deploy.hosts.deploy import deploy

deploy(*ALL)
canary()
