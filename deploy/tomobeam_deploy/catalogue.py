"""Every service of a site, from the roles that describe them."""

from __future__ import annotations

from roles.activemq.service import SERVICE as ACTIVEMQ
from roles.devbroker.service import SERVICE as DEVBROKER
from roles.ingester.service import SERVICE as INGESTER
from roles.prefect_server.service import SERVICE as PREFECT_SERVER
from roles.tiled.service import SERVICE as TILED
from roles.webapp.service import SERVICE as WEBAPP
from roles.worker.service import SERVICE as WORKER
from tomobeam_deploy.service import Service
from tomobeam_deploy.site import Broker, Site

_BROKERS = {Broker.EMBEDDED: DEVBROKER, Broker.ACTIVEMQ: ACTIVEMQ}


def services_of(site: Site) -> dict[str, Service]:
    """The site's services by name, each after those that it needs."""
    services = (_BROKERS[site.broker], TILED, PREFECT_SERVER, INGESTER, WORKER, WEBAPP)
    return {service.name: service for service in services}
