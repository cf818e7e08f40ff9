"""Images in a registry, for machines that fetch instead of building."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tomobeam_deploy.images.model import Image, version
from tomobeam_deploy.images.runtime import call, image, name_it
from tomobeam_deploy.site import Runtime


def fetch(runtime: Runtime, folder: str, images: Mapping[str, Image]) -> dict[str, str]:
    """Fetch what is not there yet.

    Args:
        folder: of a registry, as `Site.published` names it.

    Returns:
        The images' full names.

    Raises:
        ContainersError: the registry does not give one.
    """
    names = {name: published_name(folder, name) for name in images}
    for name, full in names.items():
        there = image(runtime, full)
        if there is None:
            sys.stderr.write(f"fetching {full} …\n")
            call(runtime, "pull", "--quiet", full)
            there = image(runtime, full)
            assert there is not None, "what was fetched is there"
        # Launchers call it as the registry of algorithms does.
        name_it(runtime, there["Id"], *images[name].aliases)
    return names


def push(runtime: Runtime, folder: str, built: Mapping[str, str]) -> list[str]:
    """Push images; who may, the runtime's own login says.

    Args:
        built: by the image's name, its full name here.

    Returns:
        The full names there.

    Raises:
        ContainersError: the registry refuses.
    """
    pushed = []
    for name, full in built.items():
        there = published_name(folder, name)
        sys.stderr.write(f"pushing {there} …\n")
        call(runtime, "tag", full, there)
        call(runtime, "push", "--quiet", there)
        pushed.append(there)
    return pushed


def published_name(folder: str, name: str) -> str:
    """Under which an image of this version is in a registry."""
    return f"{folder}/{name}:{version()}"
