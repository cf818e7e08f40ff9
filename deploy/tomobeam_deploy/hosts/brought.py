"""What comes from elsewhere: packages, releases, images; in archives that are streamed to hosts.

Images the hosts may fetch by themselves instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tomobeam_deploy.hosts.resources import Resource
from tomobeam_deploy.packages import Repository, unpack_script


@dataclass(frozen=True)
class Packages(Resource):
    """Debian packages that are installed; their services are not started by that.

    The repository is made when a host lacks one of them, and streamed there.
    """

    kind = "packages"
    names: tuple[str, ...]
    repository: Callable[[], Repository] = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """All names."""
        return f"packages {' '.join(self.names)}"

    def archive(self) -> Path:
        """The repository with them."""
        return self.repository().archive

    def wanted(self) -> dict[str, Any]:
        """Only the names."""
        return {"kind": self.kind, "title": self.title, "names": self.names}

    def payload(self) -> dict[str, Any]:
        """What to do with the repository, once it is on the host."""
        return {"script": unpack_script(self.repository().digest)}


@dataclass(frozen=True)
class Bundle(Resource):
    """An archive that is unpacked on the host; `marker` is there once it is.

    The archive is made when a host lacks it, and streamed there; `script` then reads it from its
    standard input. In `home` is all that such archives ever left there.
    """

    kind = "bundle"
    name: str
    marker: str
    archive: Callable[[], Path] = field(repr=False)
    script: str = field(repr=False)
    home: str = ""

    @property
    def title(self) -> str:
        """Its name."""
        return self.name

    def wanted(self) -> dict[str, Any]:
        """Only what is looked for."""
        places = {"marker": self.marker, "home": self.home}
        return {"kind": self.kind, "title": self.title, **places}

    def payload(self) -> dict[str, Any]:
        """What to do with the archive, once it is on the host."""
        return {"script": self.script}


@dataclass(frozen=True)
class ContainerImage(Resource):
    """An image that the podman at `socket` has, of this build, under all its `names`.

    `storage` is the folder in which that podman keeps its images. `inputs` gives the digest of what
    it is made from, which a build leaves in its label. The archive is made when a host lacks the
    image, and streamed there.
    """

    kind = "image"
    socket: str
    storage: str
    names: tuple[str, ...]
    label: str
    inputs: Callable[[], str] = field(repr=False, compare=False)
    archive: Callable[[], Path] = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Its first name."""
        return f"image {self.names[0]}"

    def wanted(self) -> dict[str, Any]:
        """Where it is looked for, and by what it is known."""
        podman = {"socket": self.socket, "storage": self.storage}
        known = {"names": self.names, "label": self.label, "inputs": self.inputs()}
        return {"kind": self.kind, "title": self.title, **podman, **known}


@dataclass(frozen=True)
class FetchedImage(Resource):
    """An image that the podman at `socket` fetches under a full name, and calls by all `names`."""

    kind = "fetched_image"
    socket: str
    names: tuple[str, ...]
    published: str

    @property
    def title(self) -> str:
        """Its first name."""
        return f"image {self.names[0]}"


# Those for which an archive is made and sent, if they differ.
ARCHIVED = (Bundle, ContainerImage, Packages)
