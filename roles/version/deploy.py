"""Each host knows from which state of this repository it was brought up to date, once it was."""

import json
from dataclasses import asdict

from tomobeam_deploy.hosts.resources import File, Resource
from tomobeam_deploy.hosts.target import ETC, Target
from tomobeam_deploy.releases import tree_stamp
from tomobeam_deploy.site import Group

GROUPS = tuple(Group)
# Last of all: a deploy that ends before has not brought the host there.
NEEDS = ("reconstruction", "ingester", "worker", "webapp")


def provision(_target: Target) -> list[Resource]:
    """Version, commit, and what was changed locally."""
    stamp = json.dumps(asdict(tree_stamp()), indent=1) + "\n"
    return [File.text(str(ETC / "version"), stamp)]
