"""The page on the web host."""

from tomobeam_deploy.hosts.command_files import for_root
from tomobeam_deploy.hosts.resources import Resource
from tomobeam_deploy.hosts.services import ServiceRole, registry
from tomobeam_deploy.hosts.target import Target
from tomobeam_deploy.site import Group

GROUPS = (Group.WEB,)
NEEDS = ("front_door", "prefect_server", "tiled")

_service = ServiceRole("webapp")
install = _service.install
activate = _service.activate
provision = _service.provision


def configure(target: Target) -> list[Resource]:
    """What every service has, the algorithms, and the command for the page's users."""
    command = for_root(target.processes["webapp"], "tomobeam-webapp")
    return [registry(target), *_service.configure(target), command]
