"""Parts of `Site` that every profile has: its ports, its data folders, its broker, its limits."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tomobeam_deploy.site.faults import Strict
from tomobeam_deploy.site.hosts import Port

HTTPS = 443


class Broker(StrEnum):
    """Which program carries the notifications."""

    EMBEDDED = "embedded"
    ACTIVEMQ = "activemq"


class Ports(Strict):
    """Where each service listens; every address in the platform is derived from these.

    `<service>_tls` are the ports by which other hosts reach what listens on loopback, and
    `webapp_http` only sends browsers on to `webapp_tls`.
    """

    broker: Port = 61613
    tiled: Port = 8000
    prefect_server: Port = 4200
    webapp: Port = 8050
    ingester: Port = 9101
    worker: Port = 9102
    postgresql: Port = 5432
    broker_tls: Port = 61614
    tiled_tls: Port = 8443
    prefect_server_tls: Port = 4443
    webapp_tls: Port = HTTPS
    webapp_http: Port = 80
    ssh: Port = 22


class DataRoots(Strict):
    """The data folders, as the storage host sees them."""

    filestore: Path = Field(description="what reconstructions write; Tiled only reads it")
    samples: Path | None = Field(
        default=None, description="a second readable root, with the samples"
    )
    writable: Path = Field(description="Tiled's own store: masks and results; never on NFS")
    models: Path = Field(description="trained models, shared by the compute hosts")
    state: Path = Field(description="databases and working files of the services")

    @property
    def readable(self) -> list[Path]:
        """Every folder that Tiled may read and the ingester may register from."""
        return [self.filestore, *([self.samples] if self.samples else [])]


class Heartbeat(Strict):
    """How soon a dead worker is noticed."""

    every_s: Annotated[float, Field(gt=0)] = 5.0
    dead_after_s: Annotated[int, Field(gt=0)] = 30


class DatabaseServer(Strict):
    """What PostgreSQL may take of its host; a few thousand rows want little."""

    shared_buffers_mib: Annotated[int, Field(ge=16)] = 128
    connections_per_role: Annotated[int, Field(ge=10, description="the limit of each service")] = 60
