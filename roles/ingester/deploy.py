"""The ingester, near the storage."""

from tomobeam_deploy.hosts.services import ServiceRole
from tomobeam_deploy.site import Group

GROUPS = (Group.STORAGE,)
NEEDS = ("activemq", "file_store", "tiled")

_service = ServiceRole("ingester", shared=True)
install = _service.install
configure = _service.configure
activate = _service.activate
provision = _service.provision
