"""What an image is made from; its tag is a digest of all of that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roles.reconstruction.service import SERVICE as RECONSTRUCTION
from tomobeam_deploy.catalogue import services_of
from tomobeam_deploy.releases import Release, release_of
from tomobeam_deploy.releases.release import read_project
from tomobeam_deploy.service import Service
from tomobeam_deploy.site import Site
from tomobeam_deploy.templates import ROOT

PREFIX = "localhost/tomobeam-"
INPUTS_LABEL = "tomobeam.inputs"

# Debian's packages that every image has.
COMMON_PACKAGES = ("ca-certificates", "python3")
COMMON = "services/common"
# Where an image holds its service's environment; services/common/Containerfile says so too.
BIN = Path("/opt/tomobeam/bin")

# Of what build.py does with its inputs; a higher one makes every image anew.
RECIPE = 1


@dataclass(frozen=True)
class Image:
    """One image: `folder` holds its Containerfile, `files` beside it are in its context."""

    name: str
    folder: str
    title: str
    packages: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()

    @property
    def containerfile(self) -> Path:
        """What it is built by."""
        return ROOT / self.folder / "Containerfile"

    @property
    def repository(self) -> str:
        """Its name without a tag."""
        return f"{PREFIX}{self.name}"

    @property
    def release(self) -> Release | None:
        """The environment that it holds, if any.

        Raises:
            ReleaseError: uv is missing.
        """
        return release_of(self.name, self.packages, self.schema) if self.packages else None

    def tag(self, base: str) -> str:
        """The tag that says what it is made from.

        Args:
            base: what it stands on; changes where that does.
        """
        release = self.release
        texts = [self.containerfile, *(ROOT / self.folder / name for name in self.files)]
        decides = [
            RECIPE,
            base,
            [hashlib.sha256(path.read_bytes()).hexdigest() for path in texts],
            release.digest if release else "",
            self.arguments,
        ]
        digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]
        return f"{version()}-{digest}"


def version() -> str:
    """Of the repository."""
    return read_project(ROOT)["project"]["version"]


def common_image(site: Site) -> Image:
    """What all others stand on."""
    return Image(
        name="common",
        folder=COMMON,
        title="What the images of all services stand on",
        files=("install-packages",),
        arguments=_arguments(site, COMMON_PACKAGES),
    )


def image_of(service: Service, site: Site) -> Image:
    """The image of a service."""
    return Image(
        name=service.name if service.image.startswith("services/") else Path(service.image).name,
        folder=service.image,
        title=service.summary,
        packages=service.packages,
        schema=service.schema,
        arguments=_arguments(site, service.debian_packages),
    )


def images_of(site: Site) -> dict[str, Image]:
    """All images that a site runs, by the service, and those of its jobs and of producers."""
    services: Mapping[str, Service] = services_of(site) | {RECONSTRUCTION.name: RECONSTRUCTION}
    segmentation = Image(
        name="segmentation",
        folder="services/segmentation",
        title="The jobs of the registry's CPU algorithms",
        packages=("tomobeam-segmentation",),
    )
    found = {name: image_of(service, site) for name, service in services.items()}
    return found | {segmentation.name: segmentation}


def _arguments(site: Site, packages: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if not packages:
        return ()
    return (("PACKAGES", " ".join(packages)), ("USER_ID", str(site.accounts.shared)))
