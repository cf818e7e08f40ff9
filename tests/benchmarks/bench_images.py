"""The images' sizes, what sharing their layers spares, and what an unchanged one costs."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.services.images.own_podman import PODMAN, own_podman
from tests.support.platform import make_site
from tomobeam_deploy.images.base import OWN_BASE
from tomobeam_deploy.images.build import ensure_images
from tomobeam_deploy.images.model import Image, common_image, images_of, version
from tomobeam_deploy.images.runtime import image
from tomobeam_deploy.site import Broker, Containers, Database, Site

MB = 1e6
EVERYTHING = (
    {"broker": Broker.EMBEDDED, "containers": Containers()},
    {"broker": Broker.ACTIVEMQ, "containers": Containers(database=Database.POSTGRESQL)},
)


def all_images(folder: Path) -> list[Image]:
    """Those of all switches of the compose profile."""
    found: dict[str, Image] = {}
    for settings in EVERYTHING:
        found |= images_of(make_site(folder, **settings))
    return list(found.values())


def built(made: Image) -> dict[str, Any] | None:
    """The last build of an image, as podman knows it."""
    return image(PODMAN, f"{made.repository}:{version()}")


def sizes(folder: Path) -> None:
    """One line an image: all of it, and what all stand on."""
    common = built(common_image(make_site(folder, containers=Containers())))
    if common is None:
        print("images: none is built here; make images, and POSTGRES=1 make images")
        return
    below = common["Size"] / MB
    alone = []
    for made in all_images(folder):
        there = built(made)
        if there is None:
            print(f"images: {made.name} is not built here")
            continue
        alone.append(there["Size"] / MB)
        print(f"bench: image {made.name}, all / what all stand on: {alone[-1]:.0f} MB"
              f" / {below:.0f} MB = {alone[-1] / below:.1f}")  # fmt: skip
    shared = below + sum(each - below for each in alone)
    print(f"bench: images, each for itself / sharing what they stand on: {sum(alone):.0f} MB"
          f" / {shared:.0f} MB = {sum(alone) / shared:.2f}")  # fmt: skip


def timed(site: Site) -> float:
    """Seconds until the broker's image is there."""
    start = time.perf_counter()
    ensure_images(site, OWN_BASE, ["broker"])
    return time.perf_counter() - start


def unchanged(folder: Path) -> None:
    """A build from nothing but the base and the finished environment, and the next one."""
    with own_podman():
        site = make_site(folder, containers=Containers())
        first = timed(site)
        again = min(timed(site) for _ in range(3))
    print(f"bench: images, building the broker's / finding it unchanged: {first:.1f} s"
          f" / {again:.2f} s = {first / again:.0f}")  # fmt: skip


def main() -> None:
    """Print the lines."""
    if shutil.which(PODMAN) is None:
        print("images: podman is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        sizes(Path(folder))
        unchanged(Path(folder))


if __name__ == "__main__":
    main()
