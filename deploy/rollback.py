"""Back by one release: `pyinfra inventories/beamline deploy/rollback.py`.

All services, or one: `--data service=tiled`, and also `--data release=0.1.0-0123456789ab`.
`--data restore=yes` lets databases become what they were before a newer release migrated them.
"""

from tomobeam_deploy.hosts.rollback import rollback

rollback()
