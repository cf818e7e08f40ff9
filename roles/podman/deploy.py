"""podman without root for the worker's jobs, and the images that they run from.

It is podman of the worker's own account, kept up by its systemd while nobody is logged in, and
listens on a socket that only that account may use. So the worker's unit stays in its sandbox:
containers are not its children.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePath

from tomobeam_contracts.launchers import DEPLOYED_SOCKET
from tomobeam_deploy.hosts import archives
from tomobeam_deploy.hosts.brought import ContainerImage, FetchedImage
from tomobeam_deploy.hosts.resources import (
    Command,
    File,
    Folder,
    Link,
    Masked,
    Resource,
    Written,
)
from tomobeam_deploy.hosts.services import account
from tomobeam_deploy.hosts.target import SHARED_GROUP, Target
from tomobeam_deploy.hosts.unit_files import verify_unit
from tomobeam_deploy.images.model import INPUTS_LABEL, Image, jobs_of
from tomobeam_deploy.images.publish import published_name
from tomobeam_deploy.site import Accounts, Group
from tomobeam_deploy.templates import render_names

GROUPS = (Group.COMPUTE,)
PACKAGES = ("crun", "dbus-user-session", "libpam-systemd", "podman", "slirp4netns", "uidmap")

USER = Accounts.name("worker")
UNIT = "tomobeam-podman"
LINGERS = f"/var/lib/systemd/linger/{USER}"
USER_UNITS = "/etc/systemd/user"
# Root's own, which Debian enables with the package: nobody here needs its API, and nothing is
# fetched.
ROOTS = (
    "podman-auto-update.service",
    "podman-auto-update.timer",
    "podman-restart.service",
    "podman.service",
    "podman.socket",
)
# The numbers that an account has inside of its containers besides its own.
RANGE = 65536


def is_wanted(target: Target) -> bool:
    """Where the site has jobs in podman, and no podman of its own for them."""
    return target.site.launchers_on(target.name).deployed_podman


def install(target: Target) -> list[Resource]:
    """The worker's account and its home, which holds the images; numbers for its containers."""
    # Those that follow the account's own in blocks, so that nobody else has them.
    names = {"user": USER, "first": target.site.accounts.worker * RANGE, "count": RANGE}
    worker = target.processes["worker"]
    return [
        account(target, worker, (SHARED_GROUP,)),
        Folder(str(worker.placement.state), 0o750, USER, USER),
        Command(
            name=f"numbers for containers of {USER}",
            check=render_names("podman/numbers.sh.j2", names | {"write": False}),
            apply=render_names("podman/numbers.sh.j2", names | {"write": True}),
            writes=tuple(
                Written(file, f"a line: numbers for containers of {USER}")
                for file in ("/etc/subgid", "/etc/subuid")
            ),
        ),
    ]


def configure(_target: Target) -> list[Resource]:
    """The socket, and what answers there; root's own is closed."""
    return [
        _file("/etc/tmpfiles.d/tomobeam-podman.conf"),
        # Before the socket, which systemd judges with it.
        _unit("service"),
        _unit("socket"),
        *(Masked(unit) for unit in ROOTS),
        Link(f"{USER_UNITS}/sockets.target.wants/{UNIT}.socket", f"../{UNIT}.socket"),
    ]


def activate(target: Target) -> list[Resource]:
    """The account's systemd runs from boot on, podman answers, and has the images."""
    uid = target.site.accounts.worker
    listens = {"uid": uid, "unit": f"{UNIT}.socket"}
    return [
        Folder(str(DEPLOYED_SOCKET.parent), 0o700, USER, USER),
        Command(
            name=f"systemd of {USER}",
            check=f"[ -e {LINGERS} ] && "
            f"systemctl is-active --quiet user@{uid}.service || {{ echo does not run; exit 1; }}",
            apply=f"loginctl enable-linger {USER} && systemctl start user@{uid}.service",
            writes=(Written(LINGERS, f"that systemd of {USER} runs from boot on"),),
        ),
        Command(
            name=f"{UNIT}.socket of {USER}",
            check=render_names("podman/listens.sh.j2", listens | {"start": False}),
            apply=render_names("podman/listens.sh.j2", listens | {"start": True}),
            user=USER,
            writes=(Written(_storage(target), "folder, with images and containers"),),
        ),
        *(_image(target, made) for made in jobs_of(target.site)),
    ]


def _file(path: str, validate: tuple[str, ...] = ()) -> File:
    names = {"user": USER, "socket": DEPLOYED_SOCKET}
    text = render_names(f"podman/{PurePath(path).name}.j2", names)
    return File.text(path, text, validate=validate)


def _unit(kind: str) -> File:
    return _file(f"{USER_UNITS}/{UNIT}.{kind}", verify_unit(user=True))


def _storage(target: Target) -> str:
    return f"{target.processes['worker'].placement.state}/.local/share/containers"


def _image(target: Target, made: Image) -> Resource:
    site, socket = target.site, str(DEPLOYED_SOCKET)
    if site.published:
        published = published_name(site.published, made.name)
        return FetchedImage(socket, made.aliases, published)
    return ContainerImage(
        socket,
        storage=_storage(target),
        names=made.aliases,
        label=INPUTS_LABEL,
        inputs=partial(archives.image_inputs, site, made),
        archive=partial(archives.image_archive, site, made),
    )
