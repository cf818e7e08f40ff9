"""How every unit of every host is: `pyinfra inventories/beamline deploy/status.py`."""

from tomobeam_deploy.status.operation import status

status()
