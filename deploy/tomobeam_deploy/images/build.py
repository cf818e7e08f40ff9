"""Builds the images that changed, and removes those that they replace."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tomobeam_deploy.debian import NoSourcesError, sources_file
from tomobeam_deploy.images.base import DEFAULT_BASE, ready_base
from tomobeam_deploy.images.model import (
    INPUTS_LABEL,
    Image,
    common_image,
    images_of,
    version,
)
from tomobeam_deploy.images.publish import fetch
from tomobeam_deploy.images.runtime import ContainersError, call, image, name_it, names_of
from tomobeam_deploy.releases import ensure_release, tree_stamp
from tomobeam_deploy.site import Containers, Runtime, Site
from tomobeam_deploy.site.faults import did_you_mean
from tomobeam_deploy.templates import ROOT

# Of each image that many builds stay.
KEPT = 2
BUILD = ROOT / "build" / "images"
CERTIFICATES = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))


def ensure_images(
    site: Site, base: str = DEFAULT_BASE, only: Iterable[str] | None = None
) -> dict[str, str]:
    """Build what is not there yet; or fetch it, where the site says that it is published.

    Args:
        base: the image that all stand on.
        only: names of services, and of images of jobs; all where None.

    Returns:
        By those names, the full name of the image.

    Raises:
        ContainersError: the runtime is missing or refuses, or there is no such service.
        tomobeam_contracts.registry.RegistryError: the site's registry cannot be read.
        tomobeam_deploy.releases.ReleaseError: an environment cannot be made.
    """
    containers = containers_of(site)
    chosen = chosen_images(site, only)
    distinct = {each.name: each for each in chosen.values()}
    if site.published:
        names = fetch(containers.runtime, site.published, distinct)
    else:
        names = _build(site, containers.runtime, base, distinct)
    return {user: names[each.name] for user, each in chosen.items()}


def chosen_images(site: Site, only: Iterable[str] | None = None) -> dict[str, Image]:
    """Images by who uses them: services, and jobs under the name of their image.

    Raises:
        ContainersError: `only` names something else.
    """
    known = {
        user: each for each in images_of(site).values() for user in each.services or (each.name,)
    }
    names = list(known) if only is None else list(only)
    for name in names:
        if name not in known:
            raise ContainersError(f"{name}: no such service or job{did_you_mean(name, known)}")
    return {name: known[name] for name in names}


def containers_of(site: Site) -> Containers:
    """How the site has containers; one of hosts has its jobs' images made as by default."""
    return site.containers or Containers()


def wanted_tag(site: Site, made: Image, base: str = DEFAULT_BASE) -> str:
    """The tag that an image has as the tree is now, whether it was built or not.

    Raises:
        ContainersError: the runtime is missing, or the base cannot be fetched.
        tomobeam_deploy.releases.ReleaseError: uv is missing.
    """
    below = ready_base(containers_of(site).runtime, base)
    common = common_image(site)
    return made.tag(f"{common.repository}:{common.tag(below.id)}")


def _build(
    site: Site, runtime: Runtime, wanted_base: str, images: Mapping[str, Image]
) -> dict[str, str]:
    base = ready_base(runtime, wanted_base)
    common = ensure_image(runtime, common_image(site), base.id, {"BASE_IMAGE": base.name})
    stands_on = {"COMMON_IMAGE": common}
    return {name: ensure_image(runtime, made, common, stands_on) for name, made in images.items()}


def ensure_image(runtime: Runtime, made: Image, base: str, arguments: Mapping[str, str]) -> str:
    """Build one image, if what it is made from changed; and let its other names mean it.

    Args:
        base: what it stands on; another name for something else.
        arguments: what its Containerfile is told besides its own.

    Returns:
        Its full name.

    Raises:
        ContainersError: the runtime is missing or refuses, or a step of the build fails.
        ReleaseError: its environment cannot be made.
    """
    name = f"{made.repository}:{made.tag(base)}"
    there = image(runtime, name)
    if there is None:
        sys.stderr.write(f"building {name} …\n")
        with _context(made) as context:
            _call_build(runtime, made, name, context, {**made.arguments, **arguments})
        there = image(runtime, name)
        assert there is not None, "what was built is there"
        _prune(runtime, made, name)
    name_it(runtime, there["Id"], f"{made.repository}:{version()}", *made.aliases)
    return name


def _call_build(
    runtime: Runtime, made: Image, name: str, context: Path, arguments: Mapping[str, str]
) -> None:
    call(
        runtime,
        "build",
        *_of_runtime(runtime),
        *(f"--build-arg={key}={value}" for key, value in arguments.items()),
        *(f"--label={key}={value}" for key, value in _labels(made, name).items()),
        *(f"--secret=id={key},src={path}" for key, path in _mirror().items()),
        f"--tag={name}",
        f"--file={made.containerfile}",
        str(context),
    )


def _of_runtime(runtime: Runtime) -> tuple[str, ...]:
    # OCI's format has no health checks; without intermediate images each is one layer of its own.
    # The mirror may be one that only this machine reaches.
    return (
        ("--format=docker", "--layers=false", "--network=host") if runtime is Runtime.PODMAN else ()
    )


def _labels(made: Image, name: str) -> dict[str, str]:
    stamp = tree_stamp()
    changed = "-changed" if stamp.changed else ""
    return {
        "org.opencontainers.image.title": made.title,
        "org.opencontainers.image.version": stamp.version,
        "org.opencontainers.image.revision": f"{stamp.commit}{changed}" if stamp.commit else "",
        "org.opencontainers.image.source": made.folder,
        "org.opencontainers.image.licenses": "BSD-3-Clause",
        INPUTS_LABEL: name.rpartition("-")[2],
    }


def _mirror() -> dict[str, Path]:
    """This machine's mirror of Debian's packages, for the time of the build."""
    try:
        sources = {"apt-sources": sources_file()}
    except NoSourcesError:
        return {}
    return sources | ({"apt-certificates": CERTIFICATES} if CERTIFICATES.is_file() else {})


@contextmanager
def _context(made: Image) -> Iterator[Path]:
    """A folder with nothing but what the image is made from."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{made.name}-", dir=BUILD) as folder:
        for name in made.files:
            shutil.copy2(made.tree / made.folder / name, folder)
        if made.packages:
            release = ensure_release(made.name, made.packages, made.schema, tree=made.tree)
            # A link: the archive is large, and on the same disk.
            os.link(release.archive, Path(folder) / "environment.tar")
        yield Path(folder)


def _prune(runtime: Runtime, made: Image, name: str) -> None:
    """Of each image the last ones stay; one that a container uses stays too."""
    own = {name, f"{made.repository}:{version()}", *made.aliases}
    older = [each for each in names_of(runtime, made.repository) if each not in own]
    for each in older[KEPT - 1 :]:
        try:
            call(runtime, "rmi", each)
        except ContainersError:
            continue
