"""What every host is before it is anything else."""

from tomobeam_deploy.hosts.resources import Folder, Resource, SharedGroup
from tomobeam_deploy.hosts.target import ETC, OPT, SHARED_GROUP, Target
from tomobeam_deploy.site import Group

GROUPS = tuple(Group)
PACKAGES = ("nftables",)


def install(target: Target) -> list[Resource]:
    """The folders and the group that all services share."""
    return [
        SharedGroup(SHARED_GROUP, target.site.accounts.shared),
        Folder(str(ETC)),
        Folder(str(OPT)),
        Folder(str(target.site.data.state)),
    ]
