"""A tiny scan over every wire: `pyinfra inventories/beamline deploy/canary.py`."""

from tomobeam_deploy.canary.operation import canary

canary()
