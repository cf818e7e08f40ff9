"""Take a role away: `pyinfra inventories/beamline deploy/uninstall.py --data role=webapp`."""

from tomobeam_deploy.hosts.uninstall import uninstall

uninstall()
