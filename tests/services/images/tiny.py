"""An image of one small file, which is built in a second."""

from __future__ import annotations

import os
from pathlib import Path

from tests.services.images.own_podman import PODMAN
from tomobeam_deploy.images.build import ensure_image
from tomobeam_deploy.images.model import Image
from tomobeam_deploy.images.runtime import image

CONTAINERFILE = "ARG COMMON_IMAGE\nFROM ${COMMON_IMAGE}\nCOPY greeting /greeting\n"
ANOTHER = "localhost/another-name"


class Tiny:
    """An image of one file, in a tree of its own."""

    def __init__(self, tree: Path, common: str) -> None:
        self.common = common
        self.folder = tree / "services" / f"tried-{os.getpid()}"
        self.folder.mkdir(parents=True)
        (tree / "pyproject.toml").write_text('[project]\nname = "tree"\nversion = "1.2.0"\n')
        (self.folder / "Containerfile").write_text(CONTAINERFILE)
        self.image = Image(
            folder=str(self.folder.relative_to(tree)),
            title="Tried",
            files=("greeting",),
            aliases=(f"{ANOTHER}:v1",),
            tree=tree,
        )

    def build(self, greeting: str) -> str:
        (self.folder / "greeting").write_text(greeting)
        return ensure_image(PODMAN, self.image, self.common, {"COMMON_IMAGE": self.common})


def image_id(name: str) -> str:
    """What a name means."""
    there = image(PODMAN, name)
    assert there is not None, name
    return there["Id"]
