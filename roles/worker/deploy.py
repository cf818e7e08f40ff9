"""A Prefect worker on every compute host."""

from tomobeam_deploy.hosts.resources import Resource
from tomobeam_deploy.hosts.services import ServiceRole, registry
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Group

GROUPS = (Group.COMPUTE,)
NEEDS = ("file_store", "podman", "prefect_server", "tiled")

_service = ServiceRole("worker", shared=True)
install = _service.install
activate = _service.activate
provision = _service.provision


def configure(target: Target) -> list[Resource]:
    """What every service has, and the algorithms."""
    return [registry(target), *_service.configure(target)]
