"""`Site` itself, and the names and addresses that follow from it."""

from __future__ import annotations

import runpy
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from tomobeam_contracts.flow import FlowType
from tomobeam_contracts.launchers import Launchers
from tomobeam_deploy.site import checks
from tomobeam_deploy.site.containers import (
    Containers,
    Database,
    folder_of_a_registry,
    host_name,
)
from tomobeam_deploy.site.faults import SiteError, Strict, explain, line_of
from tomobeam_deploy.site.hosts import HOLDERS, Accounts, FileStore, Group, Host, Network
from tomobeam_deploy.site.parts import (
    HTTPS,
    Broker,
    DatabaseServer,
    DataRoots,
    Heartbeat,
    Ports,
)

# A service's databases, and the role that owns none of them but may use them.
DATABASES = {"tiled_authn": "tiled", "tiled_catalog": "tiled", "prefect": "prefect"}

# What a database's address says besides, where it is SQLite (tomobeam_flows.sqlite says why).
_SQLITE_OPTIONS = {"prefect": "?plugin=tomobeam-sqlite"}


class Site(Strict):
    """One installation of the platform: on this machine, or on `hosts`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    data: DataRoots
    registry: Path = Field(description="the algorithms that the page offers and the worker runs")
    ports: Ports = Ports()
    broker: Broker = Broker.ACTIVEMQ
    path_map: dict[str, str] = Field(
        default_factory=dict, description="a producer's prefix → the storage host's"
    )
    flow_type: FlowType = Field(default=FlowType.PROCESS, description="where a job runs by default")
    launchers: Launchers = Field(
        default=Launchers(), description="how jobs are run, and what a client may wish of them"
    )
    cuda: bool = Field(
        default=False, description="the images of jobs compute on NVIDIA's GPUs; larger by far"
    )
    jobs_at_once: int = Field(default=2, gt=0, description="limit of the work pool")
    heartbeat: Heartbeat = Heartbeat()
    database_server: DatabaseServer = DatabaseServer()
    address: str = Field(default="127.0.0.1", description="on which the services of a host listen")
    containers: Containers | None = Field(
        default=None, description="the services are containers of this machine"
    )
    published: Annotated[str, AfterValidator(folder_of_a_registry)] | None = Field(
        default=None,
        description="where images of this version were pushed, such as "
        "registry.example.org/tomobeam: they are fetched, and none is built or sent",
    )
    hosts: dict[str, Host] = Field(
        default_factory=dict, description="by name; none: everything runs on this machine"
    )
    store: FileStore | None = Field(default=None, description="the shared file store of `hosts`")
    accounts: Accounts = Accounts()
    controllers: tuple[Network, ...] = Field(
        default=(), description="from where operators log in by SSH"
    )
    clients: tuple[Network, ...] = Field(
        default=(IPv4Network("0.0.0.0/0"), IPv6Network("::/0")),
        description="who may open the page",
    )
    old_producers: tuple[IPv4Address | IPv6Address, ...] = Field(
        default=(), description="hosts that may announce scans without TLS and without a login"
    )
    time_servers: tuple[str, ...] = Field(
        default=(), description="NTP; none: the hosts' clocks are somebody else's care"
    )
    hosts_file: bool = Field(
        default=False, description="write the hosts' names into /etc/hosts; else DNS knows them"
    )
    keep_runs_days: int = Field(
        default=90, gt=0, le=36_500, description="finished flow runs with their logs, and events"
    )
    keep_releases: int = Field(default=3, gt=1, description="of each service on each host")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        checks.containers_are_of_one_machine(self)
        checks.ports_differ(self)
        if self.hosts:
            checks.hosts_make_sense(self)
            checks.data_is_mounted(self)
        checks.jobs_can_run(self)
        return self

    def groups(self) -> tuple[list[tuple[str, dict[str, object]]], ...]:
        """The groups as pyinfra's inventory wants them, in the order of `Group`."""
        return tuple(
            [
                (name, {"ssh_hostname": str(host.address), "tomobeam_site": self})
                for name, host in self.hosts.items()
                if group in host.groups
            ]
            for group in Group
        )

    def members(self, group: Group) -> list[str]:
        """The names of a group's hosts."""
        return [name for name, host in self.hosts.items() if group in host.groups]

    def host_of(self, service: str) -> str:
        """The name of the host that holds a service, by the name of its port.

        Where several hold it, the first.
        """
        return self.members(HOLDERS[service])[0]

    def names_of(self, host: str) -> list[str]:
        """The DNS names of a host, by which others know it and for which its certificate is."""
        return [host, *self.hosts[host].names]

    def launchers_on(self, host: str) -> Launchers:
        """How a compute host runs jobs; without hosts, as the site says."""
        own = self.hosts[host].launchers if host in self.hosts else None
        return own or self.launchers

    @property
    def offered(self) -> frozenset[FlowType]:
        """The kinds of jobs that some worker runs."""
        workers = self.members(Group.COMPUTE) or [""]
        return frozenset(kind for name in workers for kind in self.launchers_on(name).offered)

    def kinds_elsewhere(self, host: str) -> frozenset[FlowType]:
        """The kinds of jobs that other compute hosts run, and this one does not."""
        return self.offered - self.launchers_on(host).offered

    def path_on(self, host: str, path: Path) -> Path:
        """Where a host sees a folder of the file store that the storage host sees as `path`."""
        mount = self.hosts[host].file_store
        if self.store is None or mount is None or not path.is_relative_to(self.store.path):
            return path
        return mount / path.relative_to(self.store.path)

    @property
    def translations(self) -> dict[str, str]:
        """A producer's prefix → the storage host's: as given, and from how hosts mount."""
        if self.store is None:
            return dict(self.path_map)
        mounts = {str(host.file_store) for host in self.hosts.values() if host.file_store}
        derived = {mount: str(self.store.path) for mount in sorted(mounts)}
        return derived | dict(self.path_map)

    @property
    def listens_on(self) -> str:
        """The address on which services listen; a container's is nobody else's."""
        return "0.0.0.0" if self.containers else self.address

    @property
    def seen_by_clients(self) -> Site:
        """The site as programs and browsers outside of its containers name its services."""
        return self.model_copy(update={"containers": None})

    def url(self, service: str) -> str:
        """Base address of an HTTP service as its clients name it, by the name of its port."""
        if self.containers:
            return f"http://{host_name(service)}:{getattr(self.ports, service)}"
        front = f"{service}_tls"
        if not self.hosts or front not in Ports.model_fields:
            return self.loopback_url(service)
        port = getattr(self.ports, front)
        return f"https://{self.host_of(service)}" + ("" if port == HTTPS else f":{port}")

    def loopback_url(self, service: str) -> str:
        """Base address of an HTTP service on its own host."""
        return f"http://{self.address}:{getattr(self.ports, service)}"

    @property
    def tiled_url(self) -> str:
        """Tiled as every client names it, and as every `data_uri` begins."""
        return self.url("tiled")

    @property
    def page_url(self) -> str:
        """The page as browsers name it."""
        return self.seen_by_clients.url("webapp")

    @property
    def prefect_path(self) -> str:
        """The prefix of everything that Prefect's server answers: it shares the page's name."""
        return "/prefect" if self.hosts else ""

    @property
    def prefect_api_url(self) -> str:
        """Prefect's API as every service names it."""
        return f"{self.url('prefect_server')}{self.prefect_path}/api"

    @property
    def prefect_browser_api_url(self) -> str:
        """Prefect's API as its own pages in a browser name it."""
        if self.hosts:
            return f"{self.page_url}{self.prefect_path}/api"
        return self.seen_by_clients.prefect_api_url

    @property
    def broker_host(self) -> str:
        """The broker as its clients name it."""
        if self.containers:
            return host_name("broker")
        return self.host_of("broker") if self.hosts else self.address

    @property
    def broker_address(self) -> str:
        """On which address the broker listens."""
        return str(self.hosts[self.broker_host].address) if self.hosts else self.listens_on

    @property
    def broker_port(self) -> int:
        """The broker's port for our own clients."""
        return self.ports.broker_tls if self.hosts else self.ports.broker

    def database_uri(self, name: str, state: Path) -> str:
        """A database's address, without a password; SQLite in `state` on one machine."""
        if self.containers and self.containers.database is Database.POSTGRESQL:
            server = f"{host_name('postgresql')}:{self.ports.postgresql}"
            return f"postgresql+asyncpg://{DATABASES[name]}@{server}/{name}"
        if not self.hosts:
            return f"sqlite+aiosqlite:///{state}/{name}.db{_SQLITE_OPTIONS.get(name, '')}"
        server = f"{self.host_of('postgresql')}:{self.ports.postgresql}"
        return f"postgresql+asyncpg://{DATABASES[name]}@{server}/{name}?ssl=verify-full"

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
            raise SiteError(f"{line_of(path, error)}: {explain(error)}") from error
        except SiteError:
            raise
        except (
            AttributeError,
            ImportError,
            LookupError,
            NameError,
            OSError,
            SyntaxError,
            TypeError,
            ValueError,
        ) as error:
            raise SiteError(f"{line_of(path, error)}: {error}") from error
        sites = [value for value in names.values() if isinstance(value, Site)]
        if len(sites) != 1:
            raise SiteError(f"{path}: wants exactly one Site(...), has {len(sites)}")
        return sites[0]
