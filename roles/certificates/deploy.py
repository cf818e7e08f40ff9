"""Whom every host trusts, and by what it is known itself.

The CA does not go into Debian's own trust store: each program of ours is told of it by name, and
no other program of the host has to believe it.
"""

from tomobeam_deploy import tls
from tomobeam_deploy.hosts.resources import File, Folder, Resource
from tomobeam_deploy.hosts.target import CA, CERTIFICATE, ETC, Target
from tomobeam_deploy.site import Group

GROUPS = tuple(Group)

PRIVATE = ETC / "private"


def configure(target: Target) -> list[Resource]:
    """CA, certificate with its intermediates, and the key for root's eyes."""
    return [
        File.text(str(CA), target.secret(tls.CA_CERT)),
        File.text(str(CERTIFICATE), target.secret(tls.cert_name(target.name))),
        Folder(str(PRIVATE), 0o700),
        key_file(target, str(PRIVATE / "host.key"), "root"),
    ]


def key_file(target: Target, path: str, owner: str) -> File:
    """The host's key (PEM) at `path`, for a service that runs as `owner` and no one else."""
    key = target.secret(tls.key_name(target.name))
    return File.text(path, key, mode=0o600, owner=owner, group=owner)
