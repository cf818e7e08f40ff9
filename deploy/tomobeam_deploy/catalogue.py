"""Every service of a site, from the roles that describe them."""

from __future__ import annotations

from dataclasses import replace

from roles.activemq.service import SERVICE as ACTIVEMQ
from roles.devbroker.service import SERVICE as DEVBROKER
from roles.ingester.service import SERVICE as INGESTER
from roles.postgresql.service import SERVICE as POSTGRESQL
from roles.prefect_server.service import SERVICE as PREFECT_SERVER
from roles.reconstruction.service import SERVICE as RECONSTRUCTION
from roles.tiled.service import SERVICE as TILED
from roles.webapp.service import SERVICE as WEBAPP
from roles.worker.service import SERVICE as WORKER
from tomobeam_deploy.secrets import secret_names
from tomobeam_deploy.service import Service
from tomobeam_deploy.site import Broker, Database, Site
from tomobeam_deploy.site.model import DATABASES

_BROKERS = {Broker.EMBEDDED: DEVBROKER, Broker.ACTIVEMQ: ACTIVEMQ}


def services_of(site: Site) -> dict[str, Service]:
    """The site's services by name, each after those that it needs."""
    services = (_BROKERS[site.broker], TILED, PREFECT_SERVER, INGESTER, WORKER, WEBAPP)
    if site.containers and site.containers.database is Database.POSTGRESQL:
        services = (POSTGRESQL, *map(_needing_its_database, services))
    return {service.name: service for service in services}


def _needing_its_database(service: Service) -> Service:
    needs = (POSTGRESQL.name, *service.needs)
    return replace(service, needs=needs) if service.database_role else service


def services_on_hosts(site: Site) -> dict[str, Service]:
    """The same, and what only hosts of their own have: on one machine a user calls it."""
    return services_of(site) | {RECONSTRUCTION.name: RECONSTRUCTION}


def secrets_of(site: Site) -> set[str]:
    """The names of all secrets that a site's hosts need, apart from certificates."""
    services = services_of(site).values()
    databases = {f"db-{role}" for role in DATABASES.values()}
    own = set().union(*(secret_names(service) for service in services))
    return own | databases | {"broker-keystore", "package-signing-key"}
