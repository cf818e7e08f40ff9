"""What must hold between the parts of a site; each raises ValueError that names the key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tomobeam_deploy.site.hosts import HOLDERS, SEVERAL, FileStore, Group, StoreMode, holder

if TYPE_CHECKING:
    from tomobeam_deploy.site.model import Site


def ports_differ(site: Site) -> None:
    """Of one host, two services, or a service and something else, may not listen on one port."""
    hosts = site.hosts or {"": None}
    for host in hosts:
        seen: dict[int, str] = {}
        for name, port in site.ports.model_dump().items():
            if host and not _listens(site, host, name):
                continue
            if port in seen:
                where, taken = f" on {host}" if host else "", f"taken by ports.{seen[port]}"
                raise ValueError(f"ports.{name}: {port}{where} is {taken}; choose another")
            seen[port] = name
        for opening in site.hosts[host].openings if host else ():
            if opening.protocol == "tcp" and opening.port in seen:
                where, taken = f"hosts.{host}.openings", f"taken by ports.{seen[opening.port]}"
                raise ValueError(f"{where}: {opening.port} is {taken}; choose another")


def _listens(site: Site, host: str, port_name: str) -> bool:
    group = holder(port_name)
    return group is None or group in site.hosts[host].groups


def hosts_make_sense(site: Site) -> None:
    """Every group has its hosts, and every address is one host's."""
    taken: dict[str, str] = {}
    for name, host in site.hosts.items():
        address = str(host.address)
        if address in taken:
            raise ValueError(f"hosts.{name}.address: {address} belongs to {taken[address]}")
        taken[address] = name
    if not site.controllers:
        raise ValueError("controllers: missing; say from which networks operators log in by SSH")
    for group in Group:
        members = site.members(group)
        if not members:
            held = ", ".join(s for s, holder in HOLDERS.items() if holder is group)
            what = f", and nobody provides {held}" if held else ""
            raise ValueError(f"hosts: none is in group {group.value!r}{what}; add it to one")
        if len(members) > 1 and group not in SEVERAL:
            raise ValueError(
                f"hosts.{members[1]}.groups: {group.value!r} is one host, and {members[0]} is it"
            )


def data_is_mounted(site: Site) -> None:
    """Folders lie where the hosts that use them mount something."""
    store = site.store
    if store is None:
        raise ValueError("store: missing; say where the storage host mounts the file store")
    for group in (Group.STORAGE, Group.COMPUTE, Group.RECONSTRUCTION):
        for name in site.members(group):
            if site.hosts[name].file_store is None:
                raise ValueError(
                    f"hosts.{name}.file_store: missing; a host of {group.value!r} mounts the store"
                )
    storage = site.hosts[site.members(Group.STORAGE)[0]]
    if storage.file_store != store.path:
        raise ValueError(
            f"store.path: {store.path} is not where the storage host mounts the store, "
            f"which is {storage.file_store}"
        )
    for key, folder in (("filestore", site.data.filestore), ("models", site.data.models)):
        if not folder.is_relative_to(store.path):
            raise ValueError(
                f"data.{key}: the storage host does not mount {folder}; choose one below "
                f"store.path {store.path}"
            )
    _storage_host_sees(site, store)
    _local_disks_are_local(site)
    writer = site.accounts.reconstruction
    if store.mode is StoreMode.EXISTING and store.owner_uid not in (None, writer):
        raise ValueError(
            f"accounts.reconstruction: uid {writer} differs from store.owner_uid "
            f"{store.owner_uid}, by which the store knows its writer; make them equal"
        )


def _storage_host_sees(site: Site, store: FileStore) -> None:
    """What else Tiled reads, and what producers' paths become, is named as the storage host does.

    The samples may lie on a mount of which the inventory knows nothing.
    """
    samples, targets = site.data.samples, site.path_map
    named = {"data.samples": samples} if samples else {}
    named |= {f"path_map.{prefix}": Path(target) for prefix, target in targets.items()}
    mounts = [(name, h.file_store) for name, h in site.hosts.items() if h.file_store]
    for key, folder in named.items():
        for name, mount in mounts:
            if folder.is_relative_to(mount) and not folder.is_relative_to(store.path):
                raise ValueError(
                    f"{key}: the storage host does not mount {folder}, only {name} does; write "
                    f"{store.path / folder.relative_to(mount)}"
                )
    read = [store.path, *([samples] if samples else [])]
    for prefix, target in targets.items():
        folder = Path(target)
        if not any(folder.is_relative_to(each) or each.is_relative_to(folder) for each in read):
            raise ValueError(
                f"path_map.{prefix}: the storage host does not mount {target}; choose one below "
                f"{' or '.join(map(str, read))}"
            )


def _local_disks_are_local(site: Site) -> None:
    """Working files are on no mount of the file store, on any host; nor is Tiled's own store."""
    storage = site.members(Group.STORAGE)[0]
    wanted = [("writable", site.data.writable, storage)]
    wanted += [("state", site.data.state, name) for name in site.hosts]
    for key, folder, name in wanted:
        mount = site.hosts[name].file_store
        if mount and folder.is_relative_to(mount):
            raise ValueError(
                f"data.{key}: {folder} is on the file store, which {name} mounts at {mount}; "
                "it wants a local disk"
            )


def jobs_can_run(site: Site) -> None:
    """Some worker runs what a run that names no kind of job means."""
    compute = site.members(Group.COMPUTE)
    for name, host in site.hosts.items():
        if host.launchers is not None and name not in compute:
            raise ValueError(f"hosts.{name}.launchers: only hosts of 'compute' run jobs; drop it")
    if site.flow_type not in site.offered:
        kinds = ", ".join(sorted(site.offered)) or "none"
        raise ValueError(
            f"flow_type: {site.flow_type.value!r} is not among the launchers of the site and of "
            f"its compute hosts, which are: {kinds}; choose one of them, or add it there"
        )


def containers_are_of_one_machine(site: Site) -> None:
    """Services are containers of this machine, or processes of hosts."""
    if site.containers and site.hosts:
        raise ValueError("containers: they run on this machine; drop it, or hosts")
    if site.containers and site.containers.user is None and site.launchers.in_containers:
        raise ValueError(
            "launchers: a container that reaches the socket of root's runtime is root itself; "
            "run the platform as a user of its own, with that user's socket"
        )
