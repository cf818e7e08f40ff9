"""What an image is made from; its tag is a digest of all of that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from roles.reconstruction.service import SERVICE as RECONSTRUCTION
from tomobeam_contracts.registry import Registry
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
# Where an image holds its environment; services/common/Containerfile says so too.
BIN = Path("/opt/tomobeam/bin")

# The extras of a package that computes on processors or on NVIDIA's GPUs.
CPU, CUDA = "[cpu]", "[cuda]"

# Of what build.py does with its inputs; a higher one makes every image anew.
RECIPE = 2


@dataclass(frozen=True)
class Image:
    """One image: `folder` holds its Containerfile, `files` beside it are in its context.

    `packages` are those of `services/` in its environment, `debian_packages` what it holds besides.
    `services` run it; of a job nobody does but a launcher, which calls it by one of `aliases`.
    """

    folder: str
    title: str
    packages: tuple[str, ...] = ()
    debian_packages: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    user_id: int = 0
    services: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    tree: Path = ROOT

    @property
    def name(self) -> str:
        """That of its folder."""
        return Path(self.folder).name

    @property
    def containerfile(self) -> Path:
        """What it is built by."""
        return self.tree / self.folder / "Containerfile"

    @property
    def repository(self) -> str:
        """Its name without a tag."""
        return f"{PREFIX}{self.name}"

    @property
    def arguments(self) -> dict[str, str]:
        """What its Containerfile is told."""
        told = {}
        if any(package.endswith(CUDA) for package in self.packages):
            told["CUDA"] = "1"
        if self.debian_packages:
            told |= {"PACKAGES": " ".join(self.debian_packages), "USER_ID": str(self.user_id)}
        return told

    @property
    def release(self) -> Release | None:
        """The environment that it holds, if any.

        Raises:
            ReleaseError: uv is missing.
        """
        if not self.packages:
            return None
        return release_of(self.name, self.packages, self.schema, tree=self.tree)

    def tag(self, base: str) -> str:
        """The tag that says what it is made from: `<version>-<12 hexadecimal digits>`.

        Args:
            base: what it stands on; another name for something else.
        """
        release = self.release
        texts = [self.containerfile, *(self.tree / self.folder / name for name in self.files)]
        decides = [
            RECIPE,
            base,
            [hashlib.sha256(path.read_bytes()).hexdigest() for path in texts],
            release.digest if release else "",
            self.arguments,
        ]
        digest = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]
        return f"{version(self.tree)}-{digest}"


# Images of what the registry's algorithms run.
JOBS = (
    Image(
        folder="services/segmentation",
        title="The jobs of the registry's CPU algorithms",
        packages=("tomobeam-segmentation",),
    ),
    Image(
        folder="services/dlsia",
        title="The jobs of the registry's networks, and of its CPU algorithms",
        packages=(f"tomobeam-dlsia{CPU}",),
    ),
)


def version(tree: Path = ROOT) -> str:
    """Of the repository."""
    return read_project(tree)["project"]["version"]


def common_image(site: Site) -> Image:
    """What all others stand on."""
    return Image(
        folder=COMMON,
        title="What the images of all services stand on",
        user_id=site.accounts.shared,
        debian_packages=COMMON_PACKAGES,
        files=("install-packages",),
    )


def images_of(site: Site) -> dict[str, Image]:
    """All images of a site by name: of its services, of producers, and of its registry's jobs.

    Raises:
        RegistryError: the site's registry cannot be read.
    """
    services = sorted((*services_of(site).values(), RECONSTRUCTION), key=lambda each: each.image)
    images = [
        _of_services(list(group), site) for _, group in groupby(services, lambda each: each.image)
    ]
    return {image.name: image for image in (*images, *jobs_of(site))}


def _of_services(services: list[Service], site: Site) -> Image:
    """The image of all services with one Containerfile; it holds what any of them needs."""
    return Image(
        folder=services[0].image,
        title=" and ".join(service.summary for service in services),
        user_id=site.accounts.shared,
        packages=_union(service.packages for service in services),
        debian_packages=_union(service.debian_packages for service in services),
        schema=next((service.schema for service in services if service.schema), ()),
        services=tuple(service.name for service in services),
    )


def jobs_of(site: Site) -> Iterator[Image]:
    """Images of jobs that the site's registry names, with the tags by which it calls them.

    Raises:
        RegistryError: the registry cannot be read.
    """
    algorithms = Registry.read(site.registry).contents
    called = {f"{each.image_name}:{each.image_tag}" for each in algorithms}
    for job in JOBS:
        aliases = {name for name in called if name.rpartition(":")[0] == job.repository}
        if aliases:
            yield replace(
                job,
                user_id=site.accounts.shared,
                aliases=tuple(sorted(aliases)),
                packages=tuple(
                    package.replace(CPU, CUDA) if site.cuda else package for package in job.packages
                ),
            )


def _union(several: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in several for name in names))
