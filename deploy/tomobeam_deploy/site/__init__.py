"""`Site`: everything that is particular to one installation, in one literal of an inventory."""

from tomobeam_deploy.site.faults import SiteError, Strict, from_environment
from tomobeam_deploy.site.hosts import Accounts, FileStore, Group, Host, Network, Opening, StoreMode
from tomobeam_deploy.site.model import Broker, DatabaseServer, DataRoots, Heartbeat, Ports, Site

__all__ = [
    "Accounts",
    "Broker",
    "DataRoots",
    "DatabaseServer",
    "FileStore",
    "Group",
    "Heartbeat",
    "Host",
    "Network",
    "Opening",
    "Ports",
    "Site",
    "SiteError",
    "StoreMode",
    "Strict",
    "from_environment",
]
