"""`Site`: everything that is particular to one installation, in one literal of an inventory."""

from __future__ import annotations

import difflib
import os
import runpy
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tomobeam_contracts.flow import FlowType

Port = Annotated[int, Field(gt=0, lt=65536)]


class SiteError(ValueError):
    """An inventory is wrong; the message names file, key and remedy."""


class Strict(BaseModel):
    """Refuses unknown keys; nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Broker(StrEnum):
    """Which program carries the notifications."""

    EMBEDDED = "embedded"
    ACTIVEMQ = "activemq"


class Ports(Strict):
    """Where each service listens; every address in the platform is derived from these."""

    broker: Port = 61613
    tiled: Port = 8000
    prefect_server: Port = 4200
    webapp: Port = 8050
    ingester: Port = 9101
    worker: Port = 9102


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


class Site(Strict):
    """One installation of the platform."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    data: DataRoots
    registry: Path = Field(description="the algorithms that the page offers and the worker runs")
    ports: Ports = Ports()
    broker: Broker = Broker.ACTIVEMQ
    path_map: dict[str, str] = Field(
        default_factory=dict, description="a producer's prefix → the storage host's"
    )
    flow_type: FlowType = Field(default=FlowType.PROCESS, description="where a job runs by default")
    jobs_at_once: int = Field(default=2, gt=0, description="limit of the work pool")
    heartbeat: Heartbeat = Heartbeat()
    address: str = Field(
        default="127.0.0.1", description="on which the services of this host listen"
    )

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        seen: dict[int, str] = {}
        for name, port in self.ports.model_dump().items():
            if port in seen:
                raise ValueError(f"ports.{name}: {port} is taken by ports.{seen[port]}")
            seen[port] = name
        return self

    def url(self, service: str) -> str:
        """Base address of an HTTP service, by the name of its port."""
        return f"http://{self.address}:{getattr(self.ports, service)}"

    @property
    def tiled_url(self) -> str:
        """Tiled as every client names it, and as every `data_uri` begins."""
        return self.url("tiled")

    @property
    def prefect_api_url(self) -> str:
        """Prefect's API as every client names it."""
        return f"{self.url('prefect_server')}/api"

    @classmethod
    def load(cls, path: Path) -> Site:
        """The one `Site` of an inventory file.

        Raises:
            SiteError: the file is missing, holds no `Site` or more than one, or a key is wrong.
        """
        if not path.is_file():
            raise SiteError(f"{path}: no such inventory")
        try:
            names = runpy.run_path(str(path))
        except ValidationError as error:
            raise SiteError(f"{path}: {_explain(error)}") from error
        sites = [value for value in names.values() if isinstance(value, Site)]
        if len(sites) != 1:
            raise SiteError(f"{path}: wants exactly one Site(...), has {len(sites)}")
        return sites[0]


def from_environment(model: type[Strict], prefix: str) -> dict[str, str]:
    """The fields of `model` that variables `<prefix><FIELD>` set.

    Raises:
        SiteError: a variable of that prefix names no field.
    """
    found = {}
    for variable, value in os.environ.items():
        if not variable.startswith(prefix):
            continue
        field = variable.removeprefix(prefix).lower()
        if field not in model.model_fields:
            raise SiteError(f"{variable}: no such setting{_did_you_mean(field, model)}")
        found[field] = value
    return found


def _explain(error: ValidationError) -> str:
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            faults.append(f"{key}: unknown key{_suggest(key.rpartition('.')[2], error.title)}")
        else:
            faults.append(f"{key}: {fault['msg']}" if key else fault["msg"])
    return "; ".join(faults)


def _suggest(key: str, model_name: str) -> str:
    models: dict[str, Any] = {m.__name__: m for m in (Site, Ports, DataRoots, Heartbeat)}
    model = models.get(model_name)
    return _did_you_mean(key, model) if model else ""


def _did_you_mean(key: str, model: type[Strict]) -> str:
    close = difflib.get_close_matches(key, model.model_fields, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(model.model_fields)}"
