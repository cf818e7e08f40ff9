"""An image as a file, for hosts that reach no registry."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tomobeam_deploy.images.base import DEFAULT_BASE
from tomobeam_deploy.images.build import BUILD, chosen_images, containers_of, ensure_images
from tomobeam_deploy.images.model import version
from tomobeam_deploy.images.runtime import call
from tomobeam_deploy.site import Runtime, Site


def ensure_archive(site: Site, name: str, base: str = DEFAULT_BASE, to: Path | None = None) -> Path:
    """The archive of an image as the tree is now; what is not there yet is built and written.

    In it the image is called as the registry of algorithms calls it, or by its name and this
    version. With podman it is one layer: storage without overlays copies every layer.

    Args:
        name: a service, or an image of jobs.
        to: another file than the one in `build/images`; written even if it is there.

    Returns:
        A tar file, in the form of `docker save`; podman and docker load it.

    Raises:
        ContainersError: there is no such image, or the runtime is missing or refuses.
        tomobeam_contracts.registry.RegistryError: the site's registry cannot be read.
        tomobeam_deploy.releases.ReleaseError: its environment cannot be made.
    """
    runtime = containers_of(site).runtime
    (made,) = chosen_images(site, [name]).values()
    (full,) = ensure_images(site, base, [name]).values()
    archive = to or BUILD / f"{made.name}-{full.rpartition(':')[2]}.tar"
    if to is None and archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{made.name}-", dir=archive.parent) as folder:
        part = Path(folder) / "image.tar"
        _save(runtime, full, made.aliases or (f"{made.repository}:{version()}",), part)
        part.replace(archive)
    if to is None:
        _prune(archive, made.name)
    return archive


def _save(runtime: Runtime, full: str, called: tuple[str, ...], part: Path) -> None:
    if runtime is Runtime.DOCKER:
        call(runtime, "save", f"--output={part}", *called)
        return
    squashed = part.with_name("squashed.id")
    containerfile = part.with_name("Containerfile")
    containerfile.write_text(f"FROM {full}\n", encoding="utf-8")
    options = ("--format=docker", "--layers=false", "--squash-all", f"--iidfile={squashed}")
    call(runtime, "build", *options, f"--file={containerfile}", str(part.parent))
    image_id = squashed.read_text(encoding="utf-8").strip().removeprefix("sha256:")
    try:
        call(runtime, "save", f"--output={part}", image_id, *called)
    finally:
        call(runtime, "rmi", image_id)


def _prune(archive: Path, name: str) -> None:
    for other in archive.parent.glob(f"{name}-*.tar"):
        if other != archive:
            other.unlink()
