"""Builds the images that changed, and removes those that they replace."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tomobeam_deploy.debian import NoSourcesError, sources_file
from tomobeam_deploy.images.model import (
    INPUTS_LABEL,
    Image,
    common_image,
    images_of,
    version,
)
from tomobeam_deploy.images.runtime import ContainersError, call, image, tags
from tomobeam_deploy.releases import ensure_release, tree_stamp
from tomobeam_deploy.site import Runtime, Site
from tomobeam_deploy.templates import ROOT

DEFAULT_BASE = "docker.io/library/debian:bookworm-slim"
KEPT = 2
CONTEXTS = ROOT / "build" / "images"
CERTIFICATES = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))


def tagged(site: Site, base: str, only: Iterable[str] | None = None) -> dict[str, str]:
    """The full names of the images that the tree is now, built or not, by service."""
    common = _common(site, base)
    return {
        name: f"{made.repository}:{made.tag(common)}"
        for name, made in images_of(site).items()
        if only is None or name in only
    }


def ensure_images(site: Site, base: str, only: Iterable[str] | None = None) -> dict[str, str]:
    """Build what is not there yet.

    Args:
        base: the image that all stand on.
        only: names of services; all where None.

    Returns:
        By service, the full name of its image.

    Raises:
        ContainersError: the runtime is missing or refuses.
        tomobeam_deploy.releases.ReleaseError: an environment cannot be made.
    """
    assert site.containers, "a site of containers"
    runtime = site.containers.runtime
    common = _common(site, base)
    _ensure(runtime, common_image(site), common, {"BASE_IMAGE": base})
    names = tagged(site, base, only)
    for service, name in names.items():
        _ensure(runtime, images_of(site)[service], name, {"COMMON_IMAGE": common})
    return names


def _common(site: Site, base: str) -> str:
    assert site.containers, "a site of containers"
    # A name may come to mean another image, and then all stand on something else.
    there = image(site.containers.runtime, base)
    made = common_image(site)
    return f"{made.repository}:{made.tag(there['Id'] if there else base)}"


def _ensure(runtime: Runtime, made: Image, name: str, stands_on: dict[str, str]) -> None:
    if image(runtime, name):
        return
    sys.stderr.write(f"building {name} …\n")
    arguments = dict(made.arguments) | stands_on
    with _context(made) as context:
        call(
            runtime,
            "build",
            *_of_runtime(runtime),
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            *(f"--label={key}={value}" for key, value in _labels(made, name).items()),
            *(f"--secret=id={key},src={path}" for key, path in _mirror().items()),
            *(f"--tag={each}" for each in (name, f"{made.repository}:{version()}")),
            *("--file", str(made.containerfile), str(context)),
        )
    _prune(runtime, made, name)


def _of_runtime(runtime: Runtime) -> tuple[str, ...]:
    # OCI's format has no health checks; without intermediate images each is one layer of its own.
    return ("--format=docker", "--layers=false") if runtime is Runtime.PODMAN else ()


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
    CONTEXTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{made.name}-", dir=CONTEXTS) as folder:
        for name in made.files:
            shutil.copy2(ROOT / made.folder / name, folder)
        if made.packages:
            release = ensure_release(made.name, made.packages, made.schema)
            # A link: the archive is large, and on the same disk.
            os.link(release.archive, Path(folder) / "environment.tar")
        yield Path(folder)


def _prune(runtime: Runtime, made: Image, name: str) -> None:
    """Of each image the last ones stay; one that a container uses stays too."""
    kept = {name, f"{made.repository}:{version()}"}
    older = [each for each in tags(runtime, made.repository) if each not in kept]
    for each in older[KEPT - 1 :]:
        try:
            call(runtime, "rmi", each)
        except ContainersError:
            continue
