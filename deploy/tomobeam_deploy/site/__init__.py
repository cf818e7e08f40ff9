"""`Site`: everything that is particular to one installation, in one literal of an inventory."""

from tomobeam_contracts.launchers import (
    ContainerJobs,
    EnvironmentJobs,
    Launchers,
    Limits,
    ProcessJobs,
    SlurmJobs,
)
from tomobeam_deploy.site.containers import Containers, Database, Runtime, project_name
from tomobeam_deploy.site.faults import SiteError, Strict, from_environment
from tomobeam_deploy.site.hosts import Accounts, FileStore, Group, Host, Network, Opening, StoreMode
from tomobeam_deploy.site.model import Site
from tomobeam_deploy.site.parts import Broker, DatabaseServer, DataRoots, Heartbeat, Ports

__all__ = [
    "Accounts",
    "Broker",
    "ContainerJobs",
    "Containers",
    "DataRoots",
    "Database",
    "DatabaseServer",
    "EnvironmentJobs",
    "FileStore",
    "Group",
    "Heartbeat",
    "Host",
    "Launchers",
    "Limits",
    "Network",
    "Opening",
    "Ports",
    "ProcessJobs",
    "Runtime",
    "Site",
    "SiteError",
    "SlurmJobs",
    "StoreMode",
    "Strict",
    "from_environment",
    "project_name",
]
