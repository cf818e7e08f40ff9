"""Tiled on the storage host."""

from tomobeam_deploy.hosts.resources import Folder, Resource
from tomobeam_deploy.hosts.services import ServiceRole
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Accounts, Group

GROUPS = (Group.STORAGE,)
NEEDS = ("postgresql", "file_store", "front_door")

_service = ServiceRole("tiled", shared=True)
configure = _service.configure
activate = _service.activate
provision = _service.provision


def install(target: Target) -> list[Resource]:
    """What every service has, and the store of masks and results."""
    owner = Accounts.name("tiled")
    store = Folder(str(target.site.data.writable), 0o750, owner, owner)
    return [*_service.install(target), store]
