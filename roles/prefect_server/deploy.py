"""Prefect's server on the control host."""

from tomobeam_deploy.hosts.services import ServiceRole
from tomobeam_deploy.site import Group

GROUPS = (Group.CONTROL,)
NEEDS = ("postgresql", "front_door")

_service = ServiceRole("prefect-server")
install = _service.install
configure = _service.configure
activate = _service.activate
provision = _service.provision
