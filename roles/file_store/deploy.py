"""The store that reconstructions write, Tiled reads, and workers keep their models on.

Mounting it is the site's care. Where the site leaves it to us (`managed`), the storage host makes
our folders; elsewhere nothing on it is created or given to anybody, as its root may be squashed.
"""

from __future__ import annotations

from dataclasses import dataclass

from tomobeam_deploy.hosts.resources import Account, Command, Folder, Resource
from tomobeam_deploy.hosts.target import SHARED_GROUP, Target
from tomobeam_deploy.site import Accounts, Group, Site, StoreMode
from tomobeam_deploy.templates import render_names

GROUPS = (Group.STORAGE, Group.COMPUTE, Group.RECONSTRUCTION)


@dataclass(frozen=True)
class Use:
    """What an account does with a folder, as the host sees it; `flag` is that of test(1)."""

    account: str
    verb: str
    flag: str
    folder: str


def install(target: Target) -> list[Resource]:
    """The accounts that own our folders, so that they have names on the storage host too."""
    if not _makes_folders(target):
        return []
    site = target.site
    return [
        Account(
            Accounts.name(service),
            getattr(site.accounts, service),
            str(site.data.state / service),
            (SHARED_GROUP,),
        )
        for service in ("reconstruction", "worker")
    ]


def configure(target: Target) -> list[Resource]:
    """Our folders; what is made in them belongs to the group that may read it."""
    if not _makes_folders(target):
        return []
    data = target.site.data
    return [
        Folder(str(data.filestore), 0o2750, Accounts.name("reconstruction"), SHARED_GROUP),
        Folder(str(data.models), 0o2750, Accounts.name("worker"), SHARED_GROUP),
    ]


def activate(target: Target) -> list[Resource]:
    """The store is here, and usable; by now its folders were made."""
    site = target.site
    mounts = not _makes_folders(target)
    names = {
        "host": target.name,
        "mount": target.host.file_store if mounts else None,
        "uses": uses(site, target.name),
        "group": SHARED_GROUP,
        "gid": site.accounts.shared,
    }
    return [
        Command(
            name="file store",
            check=render_names("file_store/usable.sh.j2", names),
            # Only the store's keeper can make it so.
            apply=":",
        )
    ]


def uses(site: Site, host: str) -> list[Use]:
    """Who does what with the store on a host."""
    groups, found = site.hosts[host].groups, []
    if Group.STORAGE in groups:
        found += [
            Use(Accounts.name(service), "read", "r", str(root))
            for root in site.data.readable
            for service in ("tiled", "ingester")
        ]
    if Group.COMPUTE in groups:
        models = site.path_on(host, site.data.models)
        slurm = site.launchers_on(host).slurm
        folders = [models, *([slurm.shared] if slurm else [])]
        found += [Use(Accounts.name("worker"), "write to", "w", str(each)) for each in folders]
    if Group.RECONSTRUCTION in groups:
        filestore = site.path_on(host, site.data.filestore)
        found.append(Use(Accounts.name("reconstruction"), "write to", "w", str(filestore)))
    return found


def _makes_folders(target: Target) -> bool:
    store = target.site.store
    return store is not None and store.mode is StoreMode.MANAGED and target.is_in(Group.STORAGE)
