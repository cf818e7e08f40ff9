"""A reconstruction host: announces scans; our reconstruction is there too.

It runs only when somebody calls it; a site with a reconstruction of its own leaves it alone.
"""

from tomobeam_contracts.destinations import BROKER_PRODUCER
from tomobeam_deploy.hosts.command_files import for_group
from tomobeam_deploy.hosts.resources import File, Folder, Resource
from tomobeam_deploy.hosts.services import ServiceRole
from tomobeam_deploy.hosts.target import ETC, Target
from tomobeam_deploy.site import Accounts, Group

GROUPS = (Group.RECONSTRUCTION,)
NEEDS = ("activemq", "file_store")
PROGRAMS = ("tomobeam-notify", "tomobeam-reconstruct", "tomobeam-specimen")
OWNER = Accounts.name("reconstruction")

_service = ServiceRole("reconstruction", shared=True)
activate = _service.activate
provision = _service.provision


def install(target: Target) -> list[Resource]:
    """What every service has, and the spool that all members of its group share."""
    state = target.processes["reconstruction"].placement.state
    return [*_service.install(target), Folder(f"{state}/spool", 0o2770, OWNER, OWNER)]


def configure(target: Target) -> list[Resource]:
    """What every service has, and the commands for the site's own programs."""
    process = target.processes["reconstruction"]
    password = ETC / "reconstruction" / "producer-password"
    login_file = {"TOMOBEAM_BROKER_PASSWORD_FILE": str(password)}
    login = target.secret(f"broker-{BROKER_PRODUCER}") + "\n"
    return [
        *_service.configure(target),
        File.text(str(password), login, mode=0o640, group=OWNER),
        *(for_group(process, program, OWNER, login_file) for program in PROGRAMS),
    ]
