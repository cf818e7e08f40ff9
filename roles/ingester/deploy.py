"""The ingester, near the storage."""

from tomobeam_deploy.hosts.command_files import for_root
from tomobeam_deploy.hosts.resources import Resource
from tomobeam_deploy.hosts.services import ServiceRole
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Group

GROUPS = (Group.STORAGE,)
NEEDS = ("activemq", "file_store", "tiled")

_service = ServiceRole("ingester", shared=True)
install = _service.install
activate = _service.activate
provision = _service.provision


def configure(target: Target) -> list[Resource]:
    """What every service has, and its command for operators."""
    command = for_root(target.processes["ingester"], "tomobeam-ingester")
    return [*_service.configure(target), command]
