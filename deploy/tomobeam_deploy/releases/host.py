"""What a host does with releases: shell, run there as root.

Beside `releases/` a service has links: `current`, from which its units run, `previous`, to which a
rollback goes, and `undone`, from which one came; a deploy removes the last. Each script may be
killed at any point and run again, and ends in the same state; two at once on one host wait for each
other.
"""

from __future__ import annotations

from pathlib import Path

from tomobeam_deploy.releases.build import MANIFEST
from tomobeam_deploy.releases.release import OPT, Release, check_service
from tomobeam_deploy.templates import render_names


def unpack_script(release: Release, *, root: Path = OPT) -> str:
    """Unpack `Release.archive` from standard input, beside, and then rename it into place.

    The archive is only read where the host does not have the release yet. One that ends early, or
    a full disk, leaves nothing behind and exits with 1 or more. `current` stays as it is.
    """
    return _render("unpack", release.service, root, name=release.name, last=MANIFEST)


def switch_script(release: Release, *, root: Path = OPT) -> str:
    """Make a release that is unpacked the current one, and what was current the previous.

    Nothing happens where it is current already. Each link changes at once, `previous` first.
    """
    return _render("switch", release.service, root, name=release.name)


def back_script(
    service: str, name: str, earlier: str | None, *, undo: bool = True, root: Path = OPT
) -> str:
    """Make another release the current one, and one from before it, if any, the previous.

    `undo`: it is an older one; that this went back is remembered until the next deploy.

    Raises:
        ValueError: the service's name is none.
    """
    check_service(service)
    return _render("back", service, root, name=name, earlier=earlier, undo=undo)


def prune_script(service: str, keep: int = 3, *, root: Path = OPT) -> str:
    """Remove a service's releases but the `keep` that were unpacked last.

    What `current` or `previous` points to stays, however old.

    Raises:
        ValueError: the service's name is none, or `keep` is negative.
    """
    return _render("prune", service, root, keep=_kept(service, keep))


def pruned_script(service: str, keep: int = 3, *, root: Path = OPT) -> str:
    """Fail where `prune_script` would remove something, and print its name.

    Raises:
        ValueError: as `prune_script`.
    """
    return _render("pruned", service, root, keep=_kept(service, keep))


def _kept(service: str, keep: int) -> int:
    check_service(service)
    if keep < 0:
        raise ValueError(f"{keep} releases cannot be kept")
    return keep


def _render(script: str, service: str, root: Path, **names: object) -> str:
    names |= {"service": service, "home": root / service}
    return render_names(f"releases/{script}.sh.j2", names)
