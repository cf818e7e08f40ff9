"""PostgreSQL: holds what Tiled and Prefect know, where that is not SQLite.

On hosts Debian's packages bring what runs it (deploy.py); in a container this does.
"""

from __future__ import annotations

from tomobeam_deploy.service import Health, Service
from tomobeam_deploy.site import Site
from tomobeam_deploy.site.model import DATABASES

VERSION = 15
PROGRAMS = f"/usr/lib/postgresql/{VERSION}/bin"
# The folder of Debian's cluster, by which the templates' paths mirror the host's.
CLUSTER = f"/etc/postgresql/{VERSION}/main"
ROLES = frozenset(DATABASES.values())
# For the superuser, of which are people and backups.
SPARE_CONNECTIONS = 10

# PostgreSQL tells by a process's number whether another server has the cluster, and these mean
# nothing in another container; a lock does, and ends with whoever holds it.
ALONE = ("flock", "--no-fork", "--nonblock", "{state}/cluster.lock")

SERVICE = Service(
    name="postgresql",
    summary="PostgreSQL",
    argv=(
        *ALONE,
        f"{PROGRAMS}/postgres",
        "-D",
        "{state}/data",
        "-c",
        "config_file={config}/postgresql.conf",
    ),
    port="postgresql",
    packages=("tomobeam-common",),
    debian_packages=(f"postgresql-{VERSION}",),
    image="roles/postgresql",
    health=Health(),
    files={
        f"postgresql{CLUSTER}/postgresql.conf.j2": "postgresql.conf",
        f"postgresql{CLUSTER}/pg_hba.conf.j2": "pg_hba.conf",
        "postgresql/databases.sql.j2": "databases.sql",
        "postgresql/prepare.sh.j2": "prepare.sh",
    },
    prepare=(*ALONE, "sh", "{config}/prepare.sh"),
    writes=("{state}",),
    # Clients are sent away, and nothing is lost; SIGTERM would wait for them to go.
    stop_signal="SIGINT",
)


def settings(site: Site) -> dict[str, object]:
    """What the templates take from a site, wherever the server runs."""
    limit = site.database_server.connections_per_role
    return {
        "port": site.ports.postgresql,
        "programs": PROGRAMS,
        "databases": DATABASES,
        "connections_per_role": limit,
        "max_connections": limit * len(ROLES) + SPARE_CONNECTIONS,
        "shared_buffers_mib": site.database_server.shared_buffers_mib,
    }
